# moonpool_add_lua_module(TARGET FOLDER SOURCE…): build/lua/FOLDER/core.so, the core's objects and
# these sources in one module that exports nothing but luaopen_*. Lua's own symbols come from the
# program that loads it. Defines moonpool_lua: build/lua/moonpool/core.so.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
if(LUA_INCDIR)
  set(lua_include_dirs ${LUA_INCDIR})
elseif(MOONPOOL_LUA_VERSION STREQUAL "jit")
  pkg_check_modules(LUA REQUIRED luajit)
  set(lua_include_dirs ${LUA_INCLUDE_DIRS})
else()
  string(REPLACE "." "" lua_digits ${MOONPOOL_LUA_VERSION})
  pkg_search_module(LUA REQUIRED lua${MOONPOOL_LUA_VERSION} lua-${MOONPOOL_LUA_VERSION}
                    lua${lua_digits} lua>=${MOONPOOL_LUA_VERSION})
  set(lua_include_dirs ${LUA_INCLUDE_DIRS})
endif()

# Isolates need Lua 5.4: without them there is the library, and no host of scripts.
find_file(lua_header lua.h PATHS ${lua_include_dirs} NO_DEFAULT_PATH NO_CACHE REQUIRED)
file(STRINGS ${lua_header} lua_version_line REGEX "^#define[ \t]+LUA_VERSION_(NUM|MINOR_N|MAJOR_N)[ \t]")
get_filename_component(lua_header_folder ${lua_header} DIRECTORY)
if(lua_version_line MATCHES "LUA_VERSION_NUM[ \t]+50[12]" AND NOT EXISTS ${lua_header_folder}/luajit.h)
  message(FATAL_ERROR "moonpool needs Lua 5.3 or later, or LuaJIT 2.1; ${lua_header} is older")
endif()
if(lua_version_line MATCHES "LUA_VERSION_NUM[ \t]+50[1-3]")
  list(FILTER binding_sources EXCLUDE REGEX "/isolate[a-z_]*\\.c$")
endif()

# A host that closes its Lua state unloads its modules, but libuv's threads may still run our code.
check_linker_flag(C "-Wl,-z,nodelete" MOONPOOL_HAS_NODELETE)

# Hidden core symbols: a host that has loaded libmoonpool.so too keeps its calls apart from ours.
set(lua_module_map ${CMAKE_CURRENT_LIST_DIR}/lua_module.map)
check_linker_flag(C "-Wl,--version-script=${lua_module_map}" MOONPOOL_HAS_VERSION_SCRIPT)

function(moonpool_add_lua_module target folder)
  add_library(${target} MODULE ${ARGN} $<TARGET_OBJECTS:moonpool_objects>)
  set_target_properties(${target} PROPERTIES
    PREFIX ""
    OUTPUT_NAME core
    SUFFIX ".so"
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lua/${folder})
  target_include_directories(${target} PRIVATE bindings core/include core/src ${lua_include_dirs})
  target_link_libraries(${target} PRIVATE PkgConfig::LIBUV moonpool_hiredis moonpool_openssl
                                          PkgConfig::JANSSON moonpool_flags)
  if(MOONPOOL_HAS_NODELETE)
    target_link_options(${target} PRIVATE -Wl,-z,nodelete)
  endif()
  if(MOONPOOL_HAS_VERSION_SCRIPT)
    target_link_options(${target} PRIVATE -Wl,--version-script=${lua_module_map})
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${lua_module_map})
  endif()
  if(APPLE)
    target_link_options(${target} PRIVATE -undefined dynamic_lookup)
  endif()
endfunction()

moonpool_add_lua_module(moonpool_lua moonpool ${binding_sources})
if(MOONPOOL_INSTALL_CLIENT)
  install(TARGETS moonpool_lua LIBRARY DESTINATION ${MOONPOOL_LUA_MODULE_DIR}/moonpool)
endif()
