/* A command's arguments as the bytes that Redis gets. */
#include "handles.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 40

/* A float that is whole as an integer is written, which Redis takes where it wants an integer, too;
 * others in the shortest form that reads back the same, whatever the locale. */
static void format_float(char *text, size_t size, double number) {
  lua_Integer whole;
  int is_whole = lua_numbertointeger(number, &whole) && (lua_Number)whole == number;
  if (is_whole && !(whole == 0 && signbit(number))) {
    snprintf(text, size, LUA_INTEGER_FMT, whole);
    return;
  }
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, size, "%.*g", digits, number);
    if (strtod(text, NULL) == number) break;
  }
  char *point = strchr(text, localeconv()->decimal_point[0]);
  if (point) *point = '.';
}

void mp_convert_number(lua_State *L, int index, const char *command, int position) {
  char text[NUMBER_MAX];
  lua_Number number = lua_tonumber(L, index);
  if (isnan(number))
    luaL_error(L, "%s: argument %d is not a number (NaN), which Redis has none of", command,
               position);
  format_float(text, sizeof text, number);
  lua_pushstring(L, text);
  lua_replace(L, index);
}

static int refuse(lua_State *L, int index, const char *command, int position) {
  int is_null = lua_islightuserdata(L, index) && !lua_touserdata(L, index);
  return luaL_error(L, "%s: argument %d must be a string or a number, not %s", command, position,
                    is_null ? "moonpool.null" : luaL_typename(L, index));
}

const moonpool_bytes *mp_check_words(lua_State *L, moonpool_bytes word, int first,
                                     moonpool_bytes *room, size_t *argc) {
  int last = lua_gettop(L);
  *argc = (size_t)(last - first + 2);
  if (*argc > MP_WORDS_ROOM) room = lua_newuserdatauv(L, *argc * sizeof *room, 0);
  room[0] = word;
  for (int i = first; i <= last; i++) {
    moonpool_bytes *arg = &room[i - first + 1];
    int type = lua_type(L, i);
    if (type == LUA_TNUMBER && (LUA_VERSION_NUM == 501 || !lua_isinteger(L, i)))
      mp_convert_number(L, i, word.data, i - first + 1);
    else if (type != LUA_TSTRING && type != LUA_TNUMBER)
      refuse(L, i, word.data, i - first + 1);
    arg->data = lua_tolstring(L, i, &arg->len); /* on the stack */
  }
  return room;
}
