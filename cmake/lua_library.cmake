# moonpool::lua, libmoonpool-lua: moonpool for C programs with a Lua of their own (moonpool_lua.h).
# It is made of what the module moonpool.core is made of, and like that takes Lua's symbols from the
# program that loads it.
add_library(moonpool_lua_library SHARED $<TARGET_OBJECTS:moonpool_lua>
                                        $<TARGET_OBJECTS:moonpool_objects>)
set_target_properties(moonpool_lua_library PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  OUTPUT_NAME moonpool-lua EXPORT_NAME lua LINKER_LANGUAGE C)
target_include_directories(moonpool_lua_library INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/bindings>
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/core/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(moonpool_lua_library
  PUBLIC PkgConfig::LIBUV
  PRIVATE moonpool_hiredis moonpool_openssl PkgConfig::JANSSON moonpool_flags)
if(MOONPOOL_HAS_NODELETE)
  target_link_options(moonpool_lua_library PRIVATE -Wl,-z,nodelete)
endif()
if(MOONPOOL_HAS_VERSION_SCRIPT)
  set(lua_library_map ${CMAKE_CURRENT_LIST_DIR}/lua_library.map)
  target_link_options(moonpool_lua_library PRIVATE -Wl,--version-script=${lua_library_map})
  set_target_properties(moonpool_lua_library PROPERTIES LINK_DEPENDS ${lua_library_map})
endif()
if(APPLE)
  target_link_options(moonpool_lua_library PRIVATE -undefined dynamic_lookup)
endif()

get_filename_component(share ${MOONPOOL_LUA_SHARE_DIR} ABSOLUTE BASE_DIR ${CMAKE_INSTALL_PREFIX})
set_source_files_properties(bindings/embed.c PROPERTIES
  COMPILE_DEFINITIONS "MP_LUA_SHARE_DIR=\"${share}\"")

moonpool_install_library(TARGETS moonpool_lua_library PC moonpool-lua
                         HEADERS bindings/moonpool_lua.h core/include/moonpool.h)
