# Defines moonpool_lua: build/lua/moonpool/core.so, the core's objects and the bindings in one
# module that exports nothing but luaopen_*. Lua's own symbols come from the program that loads it.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
if(LUA_INCDIR)
  set(lua_include_dirs ${LUA_INCDIR})
else()
  pkg_search_module(LUA REQUIRED lua5.4 lua-5.4 lua54 lua>=5.4)
  set(lua_include_dirs ${LUA_INCLUDE_DIRS})
endif()

add_library(moonpool_lua MODULE ${binding_sources} $<TARGET_OBJECTS:moonpool_objects>)
set_target_properties(moonpool_lua PROPERTIES
  PREFIX ""
  OUTPUT_NAME core
  SUFFIX ".so"
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lua/moonpool)
target_include_directories(moonpool_lua PRIVATE bindings core/include core/src
                                                ${lua_include_dirs})
target_link_libraries(moonpool_lua PRIVATE PkgConfig::LIBUV moonpool_hiredis moonpool_openssl
                                           PkgConfig::JANSSON moonpool_flags)

# A host that closes its Lua state unloads its modules, but libuv's threads may still run our code.
check_linker_flag(C "-Wl,-z,nodelete" MOONPOOL_HAS_NODELETE)
if(MOONPOOL_HAS_NODELETE)
  target_link_options(moonpool_lua PRIVATE -Wl,-z,nodelete)
endif()

# Hidden core symbols: a host that has loaded libmoonpool.so too keeps its calls apart from ours.
set(exports ${CMAKE_CURRENT_LIST_DIR}/lua_module.map)
check_linker_flag(C "-Wl,--version-script=${exports}" MOONPOOL_HAS_VERSION_SCRIPT)
if(MOONPOOL_HAS_VERSION_SCRIPT)
  target_link_options(moonpool_lua PRIVATE -Wl,--version-script=${exports})
  set_target_properties(moonpool_lua PROPERTIES LINK_DEPENDS ${exports})
endif()
if(APPLE)
  target_link_options(moonpool_lua PRIVATE -undefined dynamic_lookup)
endif()

install(TARGETS moonpool_lua LIBRARY DESTINATION ${MOONPOOL_LUA_MODULE_DIR}/moonpool)
