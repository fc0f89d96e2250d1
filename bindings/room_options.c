/* The options of a room: one table says what each is and where it goes. */
#include "room.h"

#include <string.h>

typedef struct option {
  const char *name;
  size_t offset; /* in moonpool_room_options */
  int is_time;   /* uint64_t ms, of seconds; else size_t */
} option;

#define TIME(field)                                                                                \
  { #field, offsetof(moonpool_room_options, field), 1 }
#define COUNT(field)                                                                               \
  { #field, offsetof(moonpool_room_options, field), 0 }

static const option known[] = {COUNT(max_message),
                               TIME(key_ttl),
                               TIME(replicas_timeout),
                               COUNT(max_pending),
                               COUNT(max_pending_bytes),
                               TIME(lease),
                               COUNT(page),
                               COUNT(max_buffer),
                               COUNT(max_buffer_bytes),
                               TIME(check),
                               TIME(check_grace),
                               TIME(resync_pause)};

static moonpool_history_kind check_history(lua_State *L) {
  const char *kind = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  if (strcmp(kind, "stream") == 0) return MOONPOOL_HISTORY_STREAM;
  if (strcmp(kind, "list") == 0) return MOONPOOL_HISTORY_LIST;
  if (strcmp(kind, "sorted") == 0) return MOONPOOL_HISTORY_SORTED;
  luaL_error(L, "option 'history' must be \"stream\", \"list\" or \"sorted\"");
  return MOONPOOL_HISTORY_ANY;
}

/* "memory", or "replicas:N" */
static unsigned check_durability(lua_State *L) {
  static const char prefix[] = "replicas:";
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  if (strcmp(text, "memory") == 0) return 0;
  if (strncmp(text, prefix, sizeof prefix - 1) == 0) {
    lua_Integer n = 0;
    const char *digit = text + sizeof prefix - 1;
    while (*digit >= '0' && *digit <= '9' && n < 1000) n = n * 10 + (*digit++ - '0');
    if (!*digit && n >= 1 && n < 1000) return (unsigned)n;
  }
  luaL_error(L, "option 'durability' must be \"memory\" or \"replicas:N\"");
  return 0;
}

/* The value on top of the stack of an option that is like no other: 1, or 0. */
static int set_special(lua_State *L, const char *name, mp_room_handle *h) {
  moonpool_room_options *o = &h->options;
  if (strcmp(name, "history") == 0)
    o->history = check_history(L);
  else if (strcmp(name, "keep") == 0)
    o->keep = (int64_t)mp_check_count_option(L, name, INT64_MAX);
  else if (strcmp(name, "keep_for") == 0)
    o->keep_ms = (int64_t)mp_check_time_option(L, name);
  else if (strcmp(name, "backlog") == 0)
    o->backlog = mp_check_string_option(L, name);
  else if (strcmp(name, "durability") == 0)
    o->replicas = check_durability(L);
  else if (strcmp(name, "max_mailbox") == 0)
    h->max_mailbox = mp_check_count_option(L, name, SIZE_MAX);
  else if (strcmp(name, "max_mailbox_bytes") == 0)
    h->max_mailbox_bytes = mp_check_count_option(L, name, SIZE_MAX);
  else
    return 0;
  return 1;
}

/* One option: its name at -2, its value at -1. */
static void set_named(lua_State *L, mp_room_handle *h) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
  if (set_special(L, name, h)) return;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(name, known[i].name) != 0) continue;
    char *at = (char *)&h->options + known[i].offset;
    if (known[i].is_time)
      *(uint64_t *)(void *)at = mp_check_time_option(L, name);
    else
      *(size_t *)(void *)at = mp_check_count_option(L, name, SIZE_MAX);
    return;
  }
  luaL_error(L, "unknown option '%s'", name);
}

void mp_check_room_options(lua_State *L, int index, mp_room_handle *h) {
  moonpool_room_options_init(&h->options);
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) set_named(L, h);
}
