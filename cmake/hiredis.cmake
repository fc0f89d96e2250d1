# Defines moonpool_hiredis: the hiredis under HIREDIS_ROOT, else the one that pkg-config knows.
# Sources include <hiredis/read.h>, so the parent of pkg-config's include directory is added.
add_library(moonpool_hiredis INTERFACE)

if(HIREDIS_ROOT)
  find_path(hiredis_include hiredis/read.h NO_CACHE REQUIRED NO_DEFAULT_PATH
            PATHS ${HIREDIS_ROOT}/usr/include ${HIREDIS_ROOT}/include)
  file(GLOB hiredis_lib_dirs ${HIREDIS_ROOT}/usr/lib/*-linux-gnu ${HIREDIS_ROOT}/usr/lib
       ${HIREDIS_ROOT}/usr/lib64 ${HIREDIS_ROOT}/lib)
  find_library(hiredis_library hiredis NO_CACHE REQUIRED NO_DEFAULT_PATH PATHS ${hiredis_lib_dirs})
  target_include_directories(moonpool_hiredis INTERFACE ${hiredis_include})
  target_link_libraries(moonpool_hiredis INTERFACE ${hiredis_library})
  message(STATUS "hiredis: ${hiredis_library}")
else()
  pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis>=0.14)
  target_link_libraries(moonpool_hiredis INTERFACE PkgConfig::HIREDIS)
  foreach(directory ${HIREDIS_INCLUDE_DIRS})
    if(directory MATCHES "/hiredis$" AND NOT directory STREQUAL "/usr/include/hiredis")
      get_filename_component(parent ${directory} DIRECTORY)
      target_include_directories(moonpool_hiredis INTERFACE ${parent})
    endif()
  endforeach()
  message(STATUS "hiredis: ${HIREDIS_VERSION} (pkg-config)")
endif()
