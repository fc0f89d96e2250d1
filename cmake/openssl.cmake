# Defines moonpool_openssl, which is empty in a build without TLS, and MOONPOOL_HAS_TLS.
set(MOONPOOL_TLS AUTO CACHE STRING "Build TLS with OpenSSL: AUTO (when it is there), ON or OFF")
set_property(CACHE MOONPOOL_TLS PROPERTY STRINGS AUTO ON OFF)
add_library(moonpool_openssl INTERFACE)
set(MOONPOOL_HAS_TLS OFF)

if(MOONPOOL_TLS STREQUAL "AUTO")
  pkg_check_modules(OPENSSL IMPORTED_TARGET openssl>=1.1.1)
elseif(MOONPOOL_TLS)
  pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl>=1.1.1)
endif()
if(MOONPOOL_TLS AND OPENSSL_FOUND)
  set(MOONPOOL_HAS_TLS ON)
  set(MOONPOOL_PC_TLS " openssl") # for moonpool.pc
  target_link_libraries(moonpool_openssl INTERFACE PkgConfig::OPENSSL)
  message(STATUS "TLS: OpenSSL ${OPENSSL_VERSION} (pkg-config)")
else()
  message(STATUS "TLS: none; rediss:// needs OpenSSL (Debian: libssl-dev)")
endif()
