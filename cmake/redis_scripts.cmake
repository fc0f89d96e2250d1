# The scripts that run in Redis, core/redis/NAME.lua, as C: redis_scripts.[ch] with mp_redis_NAME,
# its source and the SHA1 by which Redis knows it. Made anew when one of them changes.
file(GLOB redis_scripts CONFIGURE_DEPENDS core/redis/*.lua)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${redis_scripts})
set(generated ${PROJECT_BINARY_DIR}/generated)
set(declarations "")
set(definitions "")
set(count 0)
foreach(path ${redis_scripts})
  get_filename_component(name ${path} NAME_WE)
  file(SHA1 ${path} sha)
  file(READ ${path} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${hex}")
  string(REGEX REPLACE "((\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..)(\\\\x..))"
         "\\1\"\n    \"" bytes "${bytes}")
  file(SIZE ${path} size)
  string(APPEND declarations "extern const mp_redis_script mp_redis_${name};\n")
  string(APPEND definitions "const mp_redis_script mp_redis_${name} = {\n"
         "    ${count}, \"${sha}\", ${size},\n    \"${bytes}\"};\n")
  math(EXPR count "${count} + 1")
endforeach()
configure_file(cmake/redis_scripts.h.in ${generated}/redis_scripts.h @ONLY)
configure_file(cmake/redis_scripts.c.in ${generated}/redis_scripts.c @ONLY)
