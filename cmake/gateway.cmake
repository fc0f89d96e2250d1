# The gateway: libmoonpool-gateway (core/gateway, on top of libmoonpool), the Lua module
# moonpool.gateway.core and their tests. Needs wslay, llhttp or http-parser, jansson and OpenSSL.
set(MOONPOOL_GATEWAY AUTO CACHE STRING
    "Build the gateway: AUTO (when what it needs is there), ON or OFF")
set_property(CACHE MOONPOOL_GATEWAY PROPERTY STRINGS AUTO ON OFF)
set(MOONPOOL_HAS_GATEWAY OFF)
if(NOT MOONPOOL_GATEWAY)
  return()
endif()

find_path(WSLAY_INCLUDE wslay/wslay.h HINTS ${WSLAY_DIR}/include)
find_library(WSLAY_LIBRARY wslay HINTS ${WSLAY_DIR}/lib)
find_path(LLHTTP_INCLUDE llhttp.h)
find_library(LLHTTP_LIBRARY llhttp)
find_path(HTTP_PARSER_INCLUDE http_parser.h)
find_library(HTTP_PARSER_LIBRARY http_parser)
pkg_check_modules(JANSSON IMPORTED_TARGET jansson)

set(missing "")
if(NOT WSLAY_INCLUDE OR NOT WSLAY_LIBRARY)
  list(APPEND missing "wslay (Debian: libwslay-dev)")
endif()
add_library(moonpool_http INTERFACE)
if(LLHTTP_INCLUDE AND LLHTTP_LIBRARY)
  target_include_directories(moonpool_http INTERFACE ${LLHTTP_INCLUDE})
  target_link_libraries(moonpool_http INTERFACE ${LLHTTP_LIBRARY})
  target_compile_definitions(moonpool_http INTERFACE GW_HAS_LLHTTP=1)
  set(http_parser "llhttp")
  set(MOONPOOL_PC_HTTP llhttp) # for moonpool-gateway.pc
elseif(HTTP_PARSER_INCLUDE AND HTTP_PARSER_LIBRARY)
  target_include_directories(moonpool_http INTERFACE ${HTTP_PARSER_INCLUDE})
  target_link_libraries(moonpool_http INTERFACE ${HTTP_PARSER_LIBRARY})
  set(http_parser "http-parser")
  set(MOONPOOL_PC_HTTP http_parser)
else()
  list(APPEND missing "llhttp or http-parser (Debian: libllhttp-dev or libhttp-parser-dev)")
endif()
if(NOT JANSSON_FOUND)
  list(APPEND missing "jansson (Debian: libjansson-dev)")
endif()
if(NOT MOONPOOL_HAS_TLS)
  list(APPEND missing "OpenSSL (Debian: libssl-dev)")
endif()
if(missing)
  list(JOIN missing ", " missing)
  if(NOT MOONPOOL_GATEWAY STREQUAL "AUTO")
    message(FATAL_ERROR "The gateway needs ${missing}")
  endif()
  message(STATUS "Gateway: none; it needs ${missing}")
  return()
endif()
set(MOONPOOL_HAS_GATEWAY ON)
message(STATUS "Gateway: wslay, ${http_parser}")

add_library(moonpool_wslay INTERFACE)
target_include_directories(moonpool_wslay INTERFACE ${WSLAY_INCLUDE})
target_link_libraries(moonpool_wslay INTERFACE ${WSLAY_LIBRARY})

# ---- the library -------------------------------------------------------------------------------

file(GLOB gateway_sources CONFIGURE_DEPENDS core/gateway/*.c)
include(cmake/gateway_page.cmake) # ${generated}/gateway_page.c
list(APPEND gateway_sources ${generated}/gateway_page.c)

add_library(moonpool_gateway_objects OBJECT ${gateway_sources})
set_target_properties(moonpool_gateway_objects PROPERTIES POSITION_INDEPENDENT_CODE ON
                                                          C_VISIBILITY_PRESET hidden)
target_include_directories(moonpool_gateway_objects PUBLIC core/include core/gateway
                                                    PRIVATE core/src ${generated})
target_link_libraries(moonpool_gateway_objects
  PUBLIC PkgConfig::LIBUV
  PRIVATE moonpool_wslay moonpool_http PkgConfig::JANSSON moonpool_openssl moonpool_flags)

set(gateway_libraries moonpool_wslay moonpool_http PkgConfig::JANSSON moonpool_openssl
                      moonpool_flags)

# What of the core the gateway uses besides its API is hidden in libmoonpool.so: here is another copy.
add_library(moonpool_gateway SHARED $<TARGET_OBJECTS:moonpool_gateway_objects>
                                    core/src/mem.c core/src/deadline.c core/src/socket.c
                                    core/src/room_body.c)
set_target_properties(moonpool_gateway PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} OUTPUT_NAME moonpool-gateway
  EXPORT_NAME gateway INSTALL_RPATH "$ORIGIN" C_VISIBILITY_PRESET hidden)
add_library(moonpool_gateway_static STATIC $<TARGET_OBJECTS:moonpool_gateway_objects>)
set_target_properties(moonpool_gateway_static PROPERTIES OUTPUT_NAME moonpool-gateway)
target_include_directories(moonpool_gateway PRIVATE core/include core/src)
target_link_libraries(moonpool_gateway PUBLIC moonpool PRIVATE ${gateway_libraries})
target_link_libraries(moonpool_gateway_static PUBLIC moonpool_static PRIVATE ${gateway_libraries})

# ---- the Lua module ----------------------------------------------------------------------------

file(GLOB gateway_binding_sources CONFIGURE_DEPENDS bindings/gateway/*.c)
if(MOONPOOL_LUA AND gateway_binding_sources)
  moonpool_add_lua_module(moonpool_gateway_lua moonpool/gateway
    ${gateway_binding_sources} $<TARGET_OBJECTS:moonpool_gateway_objects>)
  target_include_directories(moonpool_gateway_lua PRIVATE core/gateway)
  target_link_libraries(moonpool_gateway_lua PRIVATE moonpool_wslay moonpool_http)
  install(TARGETS moonpool_gateway_lua LIBRARY DESTINATION ${MOONPOOL_LUA_MODULE_DIR}/moonpool/gateway)
endif()

# ---- tests, installation -----------------------------------------------------------------------

if(MOONPOOL_TESTS)
  add_subdirectory(core/gateway/tests)
endif()
if(MOONPOOL_INSTALL_CORE)
  moonpool_install_library(TARGETS moonpool_gateway PC moonpool-gateway
                           HEADERS core/include/moonpool_gateway.h)
  install(TARGETS moonpool_gateway_static)
endif()
