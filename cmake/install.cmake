# Installation: the libraries with their headers, the CMake package moonpool (moonpool::moonpool,
# moonpool::gateway, moonpool::lua) and pkg-config files; and the target uninstall, which removes
# what the last installation from this build folder has put there.
include(CMakePackageConfigHelpers)

# Folders that an installation makes are noted before it begins, so that uninstall removes those,
# and none that was there before.
set(moonpool_install_folders
  ${CMAKE_INSTALL_BINDIR} ${CMAKE_INSTALL_INCLUDEDIR} ${CMAKE_INSTALL_LIBDIR}/cmake/moonpool
  ${CMAKE_INSTALL_LIBDIR}/pkgconfig ${MOONPOOL_LUA_MODULE_DIR} ${MOONPOOL_LUA_SHARE_DIR}
  ${CMAKE_INSTALL_MANDIR}/man1 ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
  ${CMAKE_INSTALL_DATADIR}/zsh/site-functions ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
configure_file(cmake/note_folders.cmake.in note_folders.cmake @ONLY)
configure_file(cmake/uninstall.cmake.in uninstall.cmake @ONLY)
install(SCRIPT ${PROJECT_BINARY_DIR}/note_folders.cmake)
if(NOT TARGET uninstall)
  add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -P ${PROJECT_BINARY_DIR}/uninstall.cmake)
endif()

# moonpool_install_library(HEADER… TARGETS TARGET… PC NAME): into the CMake package, too.
function(moonpool_install_library)
  cmake_parse_arguments(PARSE_ARGV 0 it "" "PC;EXPORT_NAME" "TARGETS;HEADERS")
  install(TARGETS ${it_TARGETS} EXPORT moonpoolTargets)
  install(FILES ${it_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${it_PC}.pc.in ${PROJECT_BINARY_DIR}/${it_PC}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${it_PC}.pc
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

function(moonpool_install_package)
  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/moonpool)
  install(EXPORT moonpoolTargets NAMESPACE moonpool:: DESTINATION ${folder})
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/moonpoolConfig.cmake.in
    ${PROJECT_BINARY_DIR}/moonpoolConfig.cmake INSTALL_DESTINATION ${folder})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/moonpoolConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/moonpoolConfig.cmake
                ${PROJECT_BINARY_DIR}/moonpoolConfigVersion.cmake DESTINATION ${folder})
endfunction()
