# PkgConfig::HOST_LUA: Lua's library, for programs that have a Lua of their own; not there when
# pkg-config does not know it.
if(MOONPOOL_LUA_VERSION STREQUAL "jit")
  pkg_check_modules(HOST_LUA IMPORTED_TARGET luajit)
else()
  string(REPLACE "." "" digits ${MOONPOOL_LUA_VERSION})
  pkg_search_module(HOST_LUA IMPORTED_TARGET lua${MOONPOOL_LUA_VERSION} lua-${MOONPOOL_LUA_VERSION}
                    lua${digits} lua>=${MOONPOOL_LUA_VERSION})
endif()
