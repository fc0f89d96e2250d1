#include "commands.h"

#include "resp.h"

#include <locale.h>
#include <stdlib.h>
#include <strings.h>

typedef struct known {
  const char *name;
  uint8_t len;
  uint8_t class;
  const char *word; /* only with this subcommand or option; NULL: always */
  const char *hint;
} known;

#define LINK_OF_ITS_OWN "the link is shared: use redis-cli or a client of another library"
#define TRANSACTION "the link is shared: use transaction"
#define WATCHING "the link is shared: use optimistic"
#define OWN_SUBSCRIBE "use subscribe, psubscribe or ssubscribe"
#define URL "say it in the URL"

/* By first letter, as of Redis 7.0's command table. */
static const known table[] = {
    {"AUTH", 4, MP_COMMAND_REFUSED, NULL, URL},
    {"BLMOVE", 6, MP_COMMAND_BLOCKING, NULL, NULL},
    {"BLMPOP", 6, MP_COMMAND_BLOCKING, NULL, NULL},
    {"BLPOP", 5, MP_COMMAND_BLOCKING, NULL, NULL},
    {"BRPOP", 5, MP_COMMAND_BLOCKING, NULL, NULL},
    {"BRPOPLPUSH", 10, MP_COMMAND_BLOCKING, NULL, NULL},
    {"BZMPOP", 6, MP_COMMAND_BLOCKING, NULL, NULL},
    {"BZPOPMAX", 8, MP_COMMAND_BLOCKING, NULL, NULL},
    {"BZPOPMIN", 8, MP_COMMAND_BLOCKING, NULL, NULL},
    {"CLIENT", 6, MP_COMMAND_REFUSED, "REPLY", LINK_OF_ITS_OWN},
    {"DISCARD", 7, MP_COMMAND_REFUSED, NULL, TRANSACTION},
    {"EXEC", 4, MP_COMMAND_REFUSED, NULL, TRANSACTION},
    {"HELLO", 5, MP_COMMAND_REFUSED, NULL, URL},
    {"MONITOR", 7, MP_COMMAND_REFUSED, NULL, LINK_OF_ITS_OWN},
    {"MULTI", 5, MP_COMMAND_REFUSED, NULL, TRANSACTION},
    {"PSUBSCRIBE", 10, MP_COMMAND_REFUSED, NULL, OWN_SUBSCRIBE},
    {"PSYNC", 5, MP_COMMAND_REFUSED, NULL, LINK_OF_ITS_OWN},
    {"PUNSUBSCRIBE", 12, MP_COMMAND_REFUSED, NULL, "close the subscription"},
    {"QUIT", 4, MP_COMMAND_REFUSED, NULL, "close the client"},
    {"REPLCONF", 8, MP_COMMAND_REFUSED, NULL, LINK_OF_ITS_OWN}, /* ACK has no reply */
    {"RESET", 5, MP_COMMAND_REFUSED, NULL, LINK_OF_ITS_OWN},
    {"SELECT", 6, MP_COMMAND_REFUSED, NULL, URL},
    {"SSUBSCRIBE", 10, MP_COMMAND_REFUSED, NULL, OWN_SUBSCRIBE},
    {"SUBSCRIBE", 9, MP_COMMAND_REFUSED, NULL, OWN_SUBSCRIBE},
    {"SUNSUBSCRIBE", 12, MP_COMMAND_REFUSED, NULL, "close the subscription"},
    {"SYNC", 4, MP_COMMAND_REFUSED, NULL, LINK_OF_ITS_OWN},
    {"UNSUBSCRIBE", 11, MP_COMMAND_REFUSED, NULL, "close the subscription"},
    {"UNWATCH", 7, MP_COMMAND_REFUSED, NULL, WATCHING},
    {"WAIT", 4, MP_COMMAND_BLOCKING, NULL, NULL},
    {"WAITAOF", 7, MP_COMMAND_BLOCKING, NULL, NULL},
    {"WATCH", 5, MP_COMMAND_REFUSED, NULL, WATCHING},
    {"XREAD", 5, MP_COMMAND_BLOCKING, "BLOCK", NULL},
    {"XREADGROUP", 10, MP_COMMAND_BLOCKING, "BLOCK", NULL},
};

/* By first letter, a bit for each length that the table has, so that most commands are classed by
 * one test. C also has COMMAND. */
#define OF(letter) [(letter) - 'a']
#define LEN(n) (1u << (n))
static const uint16_t lengths[26] = {
    OF('a') = LEN(4),
    OF('b') = LEN(5) | LEN(6) | LEN(8) | LEN(10),
    OF('c') = LEN(6) | LEN(7),
    OF('d') = LEN(7),
    OF('e') = LEN(4),
    OF('h') = LEN(5),
    OF('m') = LEN(5) | LEN(7),
    OF('p') = LEN(5) | LEN(10) | LEN(12),
    OF('q') = LEN(4),
    OF('r') = LEN(5) | LEN(8),
    OF('s') = LEN(4) | LEN(6) | LEN(9) | LEN(10) | LEN(12),
    OF('u') = LEN(7) | LEN(11),
    OF('w') = LEN(4) | LEN(5) | LEN(7),
    OF('x') = LEN(5) | LEN(10),
};
#undef OF
#undef LEN

static int is_like_one(const moonpool_bytes *name) {
  if (name->len == 0 || name->len > 12) return 0;
  unsigned letter = (unsigned)(name->data[0] | 0x20) - 'a';
  return letter < 26 && (lengths[letter] >> name->len & 1);
}

static int is_named(const moonpool_bytes *arg, const char *name, size_t len) {
  return arg->len == len && strncasecmp(arg->data, name, len) == 0;
}

/* Is the word that the entry asks for there? As a subcommand it is the first argument, as an option
 * one of the first, before the names of streams. */
static int has_word(const known *k, size_t argc, const moonpool_bytes *argv) {
  if (!k->word) return 1;
  size_t end = k->class == MP_COMMAND_REFUSED ? 2 : 8;
  for (size_t i = 1; i < argc && i < end; i++) {
    if (is_named(argv + i, k->word, strlen(k->word))) return 1;
    if (is_named(argv + i, "STREAMS", 7)) return 0;
  }
  return 0;
}

/* hiredis 0.14 ends a connection on replies nested deeper than 7 levels, which COMMAND DOCS gives.
 */
static int is_too_deep(size_t argc, const moonpool_bytes *argv) {
  return mp_resp_version() < 3 && argc > 1 && is_named(argv, "COMMAND", 7) &&
         is_named(argv + 1, "DOCS", 4);
}

mp_command_class mp_command_class_of(size_t argc, const moonpool_bytes *argv, const char **hint) {
  if (!is_like_one(argv)) return MP_COMMAND_PLAIN;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const known *k = &table[i];
    if (!is_named(argv, k->name, k->len)) continue;
    if (!has_word(k, argc, argv)) continue;
    *hint = k->hint;
    return (mp_command_class)k->class;
  }
  if (!is_too_deep(argc, argv)) return MP_COMMAND_PLAIN;
  *hint = "hiredis before 1.0 cannot read a reply nested so deep";
  return MP_COMMAND_REFUSED;
}

mp_watch mp_command_watch_of(size_t argc, const moonpool_bytes *argv) {
  if (argc > 0 && is_named(argv, "WATCH", 5)) return MP_WATCH;
  return argc > 0 && is_named(argv, "UNWATCH", 7) ? MP_UNWATCH : MP_WATCH_NONE;
}

/* The argument that says for how long, and its unit in ms; NULL when there is none. */
static const moonpool_bytes *time_argument(size_t argc, const moonpool_bytes *argv, double *unit) {
  char first = (char)(argv->data[0] | 0x20);
  *unit = first == 'b' ? 1000 : 1; /* B...: seconds; WAIT..., XREAD...: ms */
  if (is_named(argv, "BLMPOP", 6) || is_named(argv, "BZMPOP", 6)) return argc > 1 ? argv + 1 : NULL;
  if (first != 'x') return argc > 1 ? argv + argc - 1 : NULL;
  for (size_t i = 1; i + 1 < argc && !is_named(argv + i, "STREAMS", 7); i++) {
    if (is_named(argv + i, "BLOCK", 5)) return argv + i + 1;
    if (is_named(argv + i, "GROUP", 5)) i += 2; /* whose names may be any word */
  }
  return NULL;
}

uint64_t mp_command_block_time(size_t argc, const moonpool_bytes *argv) {
  char text[40], *end;
  double unit;
  const moonpool_bytes *argument = time_argument(argc, argv, &unit);
  if (!argument || argument->len == 0 || argument->len >= sizeof text) return 0;
  memcpy(text, argument->data, argument->len);
  text[argument->len] = '\0';
  char *point = memchr(text, '.', argument->len);
  if (point) *point = localeconv()->decimal_point[0]; /* as strtod wants it, which Redis does not */
  double ms = strtod(text, &end) * unit;
  if (*end || !(ms >= 0)) return 0;
  if (ms == 0) return UINT64_MAX;
  return ms < 1e15 ? (uint64_t)ms + 1 : UINT64_MAX;
}
