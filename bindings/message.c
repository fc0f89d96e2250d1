/* A room's message in Lua: one userdata that holds a copy of the body. Its fields are read when a
 * program asks for them: the usual ones by message_scan.c, the others by the JSON library, whose
 * table is kept (user value 1) for the next one that is asked for. */
#include "room.h"

#include <string.h>

#if LUA_VERSION_NUM >= 504
#include "isolate.h"
#endif

static const char message_name[] = "moonpool.message";

typedef enum state {
  STATE_UNREAD,  /* nobody has asked for a field */
  STATE_SHAPE,   /* `fields` tells where they lie; nothing is checked yet */
  STATE_SCANNED, /* likewise, and they are good */
  STATE_TABLE,   /* user value 1 is the decoded body */
  STATE_TEXT     /* the body is no JSON object: user value 1 is its text */
} state;

typedef struct message {
  moonpool_id id;
  size_t room, body; /* lengths; the bytes follow in this order */
  mp_span fields[MP_FIELDS];
  unsigned char state, is_stored;
  char bytes[];
} message;

static const char *body_of(const message *m) {
  return m->bytes + m->room;
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* Decodes the body into the user value of the message at `index`. */
static void decode(lua_State *L, int index, message *m) {
  m->state = STATE_TABLE;
  if (!mp_json_push_object(L, body_of(m), m->body)) {
    size_t len;
    mp_push_utf8(L, body_of(m), m->body);
    const char *text = lua_tolstring(L, -1, &len);
    if (!mp_scan_is_plain(body_of(m), m->body) && mp_json_push_object(L, text, len))
      lua_remove(L, -2);
    else
      m->state = STATE_TEXT;
  }
  lua_setiuservalue(L, index, 1);
}

/* The fields are to be asked for: are they what they look like? */
static void check_shape(lua_State *L, int index, message *m) {
  mp_span user = m->fields[MP_FIELD_USER], text = m->fields[MP_FIELD_TEXT];
  if (mp_scan_is_plain(body_of(m) + user.at, text.at + text.len - user.at))
    m->state = STATE_SCANNED;
  else
    decode(L, index, m);
}

/* A field is asked for: the body is read, if it was not before. */
static void prepare(lua_State *L, int index, message *m) {
  if (m->state == STATE_UNREAD) {
    memset(m->fields, 0, sizeof m->fields);
    if (mp_scan_shape(body_of(m), m->body, m->fields))
      m->state = STATE_SHAPE;
    else if (mp_scan_body(body_of(m), m->body, m->fields))
      m->state = STATE_SCANNED;
    else
      decode(L, index, m);
  }
  if (m->state == STATE_SHAPE) check_shape(L, index, m);
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Pushes the member of a decoded body, or nil where it is none of our type for that field. */
static void push_decoded(lua_State *L, int index, const char *name, int type) {
  lua_getiuservalue(L, index, 1);
  lua_pushstring(L, name);
  int is_of_type = lua_rawget(L, -2) == type;
  lua_remove(L, -2);
  if (is_of_type) return;
  lua_pop(L, 1);
  lua_pushnil(L);
}

/* Pushes a field that is a string, or nil. */
static void push_string(lua_State *L, int index, message *m, mp_field field) {
  static const char *const names[] = {"type", "user", "text", "to", "target"};
  prepare(L, index, m);
  switch (m->state) {
  case STATE_TABLE: push_decoded(L, index, names[field], LUA_TSTRING); return;
  case STATE_TEXT:
    if (field != MP_FIELD_TEXT)
      lua_pushnil(L);
    else
      lua_getiuservalue(L, index, 1);
    return;
  default: {
    mp_span span = m->fields[field];
    if (span.kind == MP_SPAN_PLAIN || span.kind == MP_SPAN_ESCAPED)
      mp_scan_push(L, body_of(m), span);
    else
      lua_pushnil(L);
  }
  }
}

static void push_type(lua_State *L, int index, message *m) {
  push_string(L, index, m, MP_FIELD_TYPE);
  if (!lua_isnil(L, -1)) return;
  lua_pop(L, 1);
  lua_pushliteral(L, "message");
}

/* Messages and actions always have one. */
static void push_text(lua_State *L, int index, message *m) {
  push_string(L, index, m, MP_FIELD_TEXT);
  if (!lua_isnil(L, -1)) return;
  push_type(L, index, m);
  const char *type = lua_tostring(L, -1);
  int has_text = strcmp(type, "message") == 0 || strcmp(type, "action") == 0;
  lua_pop(L, 2);
  if (has_text)
    lua_pushliteral(L, "");
  else
    lua_pushnil(L);
}

static void push_bot(lua_State *L, int index, message *m) {
  prepare(L, index, m);
  if (m->state == STATE_TABLE) {
    push_decoded(L, index, "bot", LUA_TBOOLEAN);
    int is_bot = lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_pushboolean(L, is_bot);
    return;
  }
  lua_pushboolean(L, m->state == STATE_SCANNED && m->fields[MP_FIELD_BOT].kind == MP_SPAN_TRUE);
}

static void push_id(lua_State *L, const message *m) {
  char text[MOONPOOL_ID_SIZE];
  if (m->is_stored)
    lua_pushlstring(L, text, moonpool_id_format(&m->id, text));
  else
    lua_pushnil(L);
}

static void push_at(lua_State *L, const message *m) {
  if (m->is_stored)
    lua_pushnumber(L, (lua_Number)m->id.ms / 1000);
  else
    lua_pushnil(L);
}

/* Pushes a member that has no meaning of ours; the key is at index 2. */
static void push_other(lua_State *L, message *m) {
  prepare(L, 1, m);
  if (m->state == STATE_TEXT) {
    lua_pushnil(L);
    return;
  }
  if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
    lua_pop(L, 1);
    if (!mp_json_push_object(L, body_of(m), m->body)) lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
}

/* ---- the handle ------------------------------------------------------------------------------ */

/* The functions' first upvalue is the metatable. */
static message *check_message(lua_State *L) {
  if (lua_getmetatable(L, 1)) {
    int is_message = lua_rawequal(L, -1, lua_upvalueindex(1));
    lua_pop(L, 1);
    if (is_message) return lua_touserdata(L, 1);
  }
  luaL_argexpected(L, 0, 1, message_name);
  return NULL;
}

/* Pushes one of our own fields: 1, or 0 when there is none of that name. */
static int push_named(lua_State *L, message *m, const char *name, size_t len) {
#define IS(text) (memcmp(name, text, len) == 0)
  switch (len) {
  case 2:
    if (IS("id")) return push_id(L, m), 1;
    if (IS("at")) return push_at(L, m), 1;
    if (IS("to")) return push_string(L, 1, m, MP_FIELD_TO), 1;
    return 0;
  case 3:
    if (IS("bot")) return push_bot(L, 1, m), 1;
    return 0;
  case 4:
    if (IS("text")) return push_text(L, 1, m), 1;
    if (IS("user")) return push_string(L, 1, m, MP_FIELD_USER), 1;
    if (IS("type")) return push_type(L, 1, m), 1;
    if (IS("room")) return lua_pushlstring(L, m->bytes, m->room), 1;
    if (IS("json")) return lua_pushvalue(L, lua_upvalueindex(2)), 1;
    return 0;
  case 6:
    if (IS("target")) return push_string(L, 1, m, MP_FIELD_TARGET), 1;
    return 0;
  default: return 0;
  }
#undef IS
}

/* Pushes the method that a guest has added, if there is one of that name: 1, else 0. */
static int push_method(lua_State *L) {
  if (!lua_istable(L, lua_upvalueindex(3))) return 0;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(3)) != LUA_TNIL) return 1;
  lua_pop(L, 1);
  return 0;
}

/* Fields, methods, and the other members of the body. */
static int index_message(lua_State *L) {
  size_t len;
  message *m = check_message(L);
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tolstring(L, 2, &len);
  if (!push_named(L, m, name, len) && !push_method(L)) push_other(L, m);
  return 1;
}

/* message:json() → the body as it was published */
static int json(lua_State *L) {
  const message *m = check_message(L);
  lua_pushlstring(L, body_of(m), m->body);
  return 1;
}

static int tostring_message(lua_State *L) {
  const message *m = check_message(L);
  lua_pushfstring(L, "%s (", message_name);
  lua_pushlstring(L, m->bytes, m->room);
  lua_pushliteral(L, "): ");
  lua_pushlstring(L, body_of(m), m->body);
  lua_concat(L, 4);
  return 1;
}

/* ---- making one ------------------------------------------------------------------------------ */

static mp_message_class class_of_type(const char *type, size_t len, int is_stored) {
  static const struct {
    const char *type;
    mp_message_class class;
    int is_stored_only; /* only what is stored has changed the history */
  } classes[] = {{"join", MP_CLASS_JOIN, 0},     {"leave", MP_CLASS_LEAVE, 0},
                 {"rename", MP_CLASS_RENAME, 0}, {"typing", MP_CLASS_TYPING, 0},
                 {"delete", MP_CLASS_DELETE, 1}, {"clear", MP_CLASS_CLEAR, 1}};
  for (size_t i = 0; type && i < sizeof classes / sizeof *classes; i++) {
    if (strlen(classes[i].type) != len || memcmp(classes[i].type, type, len) != 0) continue;
    if (is_stored || !classes[i].is_stored_only) return classes[i].class;
  }
  return is_stored ? MP_CLASS_MESSAGE : MP_CLASS_SIGNAL;
}

/* The message is at the top of the stack. */
static mp_message_class classify(lua_State *L, message *m) {
  size_t len;
  push_type(L, lua_gettop(L), m);
  const char *name = lua_tolstring(L, -1, &len);
  mp_message_class class = class_of_type(name, len, m->is_stored);
  lua_pop(L, 1);
  return class;
}

/* A stored body has its type first, when it is not "message". */
static int is_plain_message(const moonpool_id *id, moonpool_bytes body) {
  static const char user[] = "{\"user\":";
  return id && body.len >= sizeof user && memcmp(body.data, user, sizeof user - 1) == 0;
}

mp_message_class mp_message_push(lua_State *L, mp_runtime *rt, moonpool_bytes room,
                                 const moonpool_id *id, moonpool_bytes body) {
  message *m = lua_newuserdatauv(L, sizeof *m + room.len + body.len, 1);
  m->room = room.len;
  m->body = body.len;
  m->state = STATE_UNREAD;
  m->is_stored = id != NULL;
  m->id = id ? *id : (moonpool_id){0, 0, 0};
  memcpy(m->bytes, room.data, room.len);
  if (body.len) memcpy(m->bytes + room.len, body.data, body.len);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->message_metatable_ref);
  lua_setmetatable(L, -2);
  return is_plain_message(id, body) ? MP_CLASS_MESSAGE : classify(L, m);
}

/* room.message(room, id | nil, body) → message, the name of what it is to handlers */
static int new_message(lua_State *L) {
  moonpool_id id;
  moonpool_bytes room, body, text;
  room.data = luaL_checklstring(L, 1, &room.len);
  int is_stored = !lua_isnoneornil(L, 2);
  if (is_stored) {
    text.data = luaL_checklstring(L, 2, &text.len);
    luaL_argcheck(L, moonpool_id_parse(text, &id) == MOONPOOL_OK, 2, "no id");
  }
  body.data = luaL_checklstring(L, 3, &body.len);
  lua_settop(L, 3);
  mp_message_class class = mp_message_push(L, mp_runtime_of(L), room, is_stored ? &id : NULL, body);
  lua_pushstring(L, mp_room_event_names[class]);
  return 2;
}

void mp_set_message_functions(lua_State *L, int runtime_index) {
  static const luaL_Reg functions[] = {{"message", new_message}, {NULL, NULL}};
  mp_set_functions(L, functions, runtime_index);
}

/* Sets the functions of the metatable on top of L; a table of more methods, or nil, lies below it.
 */
static void set_metamethods(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, json, 1);
  lua_pushvalue(L, -4);
  lua_pushcclosure(L, index_message, 3);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, tostring_message, 1);
  lua_setfield(L, -2, "__tostring");
}

void mp_open_message(lua_State *L, int runtime_index) {
  mp_runtime *rt = lua_touserdata(L, runtime_index);
  lua_pushnil(L);
  luaL_newmetatable(L, message_name);
  set_metamethods(L);
  rt->message_metatable = lua_topointer(L, -1);
  rt->message_metatable_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pop(L, 1);
}

#if LUA_VERSION_NUM >= 504

/* ---- in isolates ----------------------------------------------------------------------------- */

void mp_message_open_guest(lua_State *L) {
  lua_newtable(L);
  set_metamethods(L);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  mp_isolate_of(L)->message_metatable = luaL_ref(L, LUA_REGISTRYINDEX);
}

int mp_message_is(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return 0;
  int is_message = lua_topointer(L, -1) == mp_runtime_of(L)->message_metatable;
  lua_pop(L, 1);
  return is_message;
}

void mp_message_copy(lua_State *from, int index, lua_State *to) {
  const message *m = lua_touserdata(from, index);
  size_t size = sizeof *m + m->room + m->body;
  message *copy = lua_newuserdatauv(to, size, 1);
  memcpy(copy, m, size);
  if (copy->state > STATE_SCANNED)
    copy->state = STATE_UNREAD; /* what it is decoded to stays there */
  lua_rawgeti(to, LUA_REGISTRYINDEX, mp_isolate_of(to)->message_metatable);
  lua_setmetatable(to, -2);
}

#endif
