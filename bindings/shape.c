#include "shape.h"

#include <ctype.h>
#include <string.h>

#include "runtime.h"

typedef enum shape_kind {
  SHAPE_FIELDS, /* key, value, key, value: a table by key */
  SHAPE_PAIRS,  /* [key, value], [key, value]: likewise */
  SHAPE_LIST    /* a list, each element of the shape `other` */
} shape_kind;

/* The value of one key of a table. */
typedef struct shape_member {
  const char *key;
  const mp_shape *shape;
} shape_member;

struct mp_shape {
  shape_kind kind;
  const mp_shape *other;       /* of values that no member names, or of elements; NULL: none */
  const shape_member *members; /* ended by key NULL; NULL: none */
};

/* ---- shapes ---------------------------------------------------------------------------------- */

#define FIELDS_OF(...)                                                                             \
  {                                                                                                \
    SHAPE_FIELDS, NULL, (const shape_member[]) {                                                   \
      __VA_ARGS__, {                                                                               \
        NULL, NULL                                                                                 \
      }                                                                                            \
    }                                                                                              \
  }
#define LIST_OF(shape)                                                                             \
  { SHAPE_LIST, shape, NULL }

static const mp_shape fields = {SHAPE_FIELDS, NULL, NULL}, pairs = {SHAPE_PAIRS, NULL, NULL};
static const mp_shape fields_list = LIST_OF(&fields);
static const mp_shape fields_by_key = {SHAPE_FIELDS, &fields, NULL};

/* XINFO STREAM key FULL: groups with their consumers */
static const mp_shape stream_group = FIELDS_OF({"consumers", &fields_list});
static const mp_shape stream_groups = LIST_OF(&stream_group);
static const mp_shape stream = FIELDS_OF({"groups", &stream_groups});

/* LATENCY HISTOGRAM, by command; FUNCTION LIST and STATS; CLUSTER SHARDS; ACL GETUSER */
static const mp_shape histogram = FIELDS_OF({"histogram_usec", &fields});
static const mp_shape histograms = {SHAPE_FIELDS, &histogram, NULL};
static const mp_shape library = FIELDS_OF({"functions", &fields_list});
static const mp_shape libraries = LIST_OF(&library);
static const mp_shape functions =
    FIELDS_OF({"running_script", &fields}, {"engines", &fields_by_key});
static const mp_shape shard = FIELDS_OF({"nodes", &fields_list});
static const mp_shape shards = LIST_OF(&shard);
static const mp_shape user = FIELDS_OF({"selectors", &fields_list});

/* COMMAND DOCS, by command: arguments hold arguments, subcommands are commands */
static const mp_shape arguments;
static const mp_shape argument = FIELDS_OF({"arguments", &arguments});
static const mp_shape arguments = LIST_OF(&argument);
static const mp_shape docs;
static const mp_shape doc = FIELDS_OF({"arguments", &arguments}, {"subcommands", &docs});
static const mp_shape docs = {SHAPE_FIELDS, &doc, NULL};

/* ---- commands -------------------------------------------------------------------------------- */

static const struct {
  const char *name, *sub; /* sub NULL: whatever its first argument is */
  const mp_shape *shape;
} commands[] = {
    {"HGETALL", NULL, &fields},
    {"CONFIG", "GET", &fields},
    {"XINFO", "STREAM", &stream},
    {"XINFO", "GROUPS", &fields_list},
    {"XINFO", "CONSUMERS", &fields_list},
    {"XREAD", NULL, &pairs},
    {"XREADGROUP", NULL, &pairs},
    {"PUBSUB", "NUMSUB", &fields},
    {"PUBSUB", "SHARDNUMSUB", &fields},
    {"MEMORY", "STATS", &fields_by_key},
    {"CLIENT", "TRACKINGINFO", &fields},
    {"COMMAND", "DOCS", &docs},
    {"ACL", "GETUSER", &user},
    {"FUNCTION", "LIST", &libraries},
    {"FUNCTION", "STATS", &functions},
    {"LATENCY", "HISTOGRAM", &histograms},
    {"LCS", NULL, &fields},
    {"MODULE", "LIST", &fields_list},
    {"CLUSTER", "SHARDS", &shards},
    {"CLUSTER", "LINKS", &fields_list},
    {"SENTINEL", "MASTER", &fields},
    {"SENTINEL", "MASTERS", &fields_list},
    {"SENTINEL", "REPLICAS", &fields_list},
    {"SENTINEL", "SLAVES", &fields_list},
    {"SENTINEL", "SENTINELS", &fields_list},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static int is_word(const char *word, const char *data, size_t len) {
  if (strlen(word) != len) return 0;
  for (size_t i = 0; i < len; i++)
    if (toupper((unsigned char)data[i]) != word[i]) return 0;
  return 1;
}

int mp_shape_may_be_of(const char *name, size_t len) {
  for (int i = 0; i < COMMANDS; i++)
    if (is_word(commands[i].name, name, len)) return 1;
  return 0;
}

const mp_shape *mp_shape_of(size_t argc, const moonpool_bytes *argv) {
  for (int i = 0; argc > 1 && i < COMMANDS; i++) {
    const char *sub = commands[i].sub;
    if (is_word(commands[i].name, argv[0].data, argv[0].len) &&
        (!sub || is_word(sub, argv[1].data, argv[1].len)))
      return commands[i].shape;
  }
  return NULL;
}

/* ---- pushing --------------------------------------------------------------------------------- */

static const mp_shape *shape_of_value(const mp_shape *shape, const moonpool_reply *key) {
  const moonpool_bytes *name = &key->u.string;
  if (key->type != MOONPOOL_STRING && key->type != MOONPOOL_STATUS) return shape->other;
  for (const shape_member *m = shape->members; m && m->key; m++)
    if (strlen(m->key) == name->len && memcmp(m->key, name->data, name->len) == 0) return m->shape;
  return shape->other;
}

static int is_list(const moonpool_reply *reply) {
  return reply->type == MOONPOOL_ARRAY || reply->type == MOONPOOL_SET;
}

static int is_pair(const moonpool_reply *reply) {
  return is_list(reply) && reply->u.list.count == 2;
}

/* What is not of its shape is pushed as it is: another server may have other words. */
static int fits(const moonpool_reply *reply, shape_kind kind) {
  const moonpool_reply *e = reply->u.list.first;
  if (!is_list(reply)) return 0;
  if (kind == SHAPE_FIELDS) return reply->u.list.count % 2 == 0;
  while (kind == SHAPE_PAIRS && e && is_pair(e)) e = e->next;
  return kind == SHAPE_LIST || !e;
}

static void push_inner(lua_State *L, const moonpool_reply *reply, const mp_shape *shape) {
  if (reply->type == MOONPOOL_NIL)
    lua_pushlightuserdata(L, NULL);
  else
    mp_push_shaped(L, reply, shape);
}

static void push_fields(lua_State *L, const moonpool_reply *list, const mp_shape *shape) {
  const moonpool_reply *key = list->u.list.first;
  lua_createtable(L, 0, mp_reply_table_size(list->u.list.count / 2));
  for (; key && key->next; key = key->next->next) {
    mp_push_reply_key(L, key);
    push_inner(L, key->next, shape_of_value(shape, key));
    lua_rawset(L, -3);
  }
}

static void push_pairs(lua_State *L, const moonpool_reply *list) {
  lua_createtable(L, 0, mp_reply_table_size(list->u.list.count));
  for (const moonpool_reply *pair = list->u.list.first; pair; pair = pair->next) {
    mp_push_reply_key(L, pair->u.list.first);
    push_inner(L, pair->u.list.first->next, NULL);
    lua_rawset(L, -3);
  }
}

static void push_list(lua_State *L, const moonpool_reply *list, const mp_shape *shape) {
  lua_Integer i = 1;
  lua_createtable(L, mp_reply_table_size(list->u.list.count), 0);
  for (const moonpool_reply *e = list->u.list.first; e; e = e->next) {
    push_inner(L, e, shape->other);
    lua_rawseti(L, -2, i++);
  }
}

void mp_push_shaped(lua_State *L, const moonpool_reply *reply, const mp_shape *shape) {
  if (!shape || !fits(reply, shape->kind)) {
    mp_push_reply(L, reply);
    return;
  }
  luaL_checkstack(L, 4, "nested reply");
  switch (shape->kind) {
  case SHAPE_FIELDS: push_fields(L, reply, shape); break;
  case SHAPE_PAIRS: push_pairs(L, reply); break;
  case SHAPE_LIST: push_list(L, reply, shape); break;
  }
}
