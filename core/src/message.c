#include "message.h"

#include "plain.h"

#include <string.h>

/* "*3\r\n$7\r\nmessage\r\n", "*3\r\n$8\r\nsmessage\r\n", "*4\r\n$8\r\npmessage\r\n": an array in
 * RESP2, a push (">") in RESP3 (https://redis.io/docs/latest/develop/reference/protocol-spec/). */
#define HEAD 8 /* "*3\r\n$7\r\n" */

void mp_message_init(mp_message_reply *reply, int has_pushes) {
  memset(reply, 0, sizeof *reply);
  reply->has_pushes = has_pushes;
  moonpool_reply *n = reply->nodes;
  n[0].u.list.first = &n[1];
  for (int i = 1; i < 5; i++) {
    n[i].type = MOONPOOL_STRING;
    n[i].depth = 1;
    if (i < 4) n[i].next = &n[i + 1];
  }
}

int mp_message_begins(const char *at, size_t len) {
  if (len < HEAD || (at[0] != '*' && at[0] != '>')) return 0;
  return memcmp(at + 1, "3\r\n$7\r\n", 7) == 0 || memcmp(at + 1, "3\r\n$8\r\n", 7) == 0 ||
         memcmp(at + 1, "4\r\n$8\r\n", 7) == 0;
}

/* The word after the head: how many elements follow it, or 0. */
static int take_word(moonpool_reply *word, const char *at) {
  size_t len = at[5] == '7' ? 7 : 8;
  const char *text = at + HEAD;
  if (text[len] != '\r' || text[len + 1] != '\n') return 0;
  word->u.string = (moonpool_bytes){text, len};
  if (len == 7) return memcmp(text, "message", 7) == 0 ? 2 : 0;
  if (at[1] == '3') return memcmp(text, "smessage", 8) == 0 ? 2 : 0;
  return memcmp(text, "pmessage", 8) == 0 ? 3 : 0;
}

const char *mp_message_parse(mp_message_reply *reply, const char *at, const char *end) {
  moonpool_reply *n = reply->nodes;
  if (end - at < HEAD + 10 || !mp_message_begins(at, (size_t)(end - at))) return NULL;
  if (at[0] == '>' && !reply->has_pushes) return NULL;
  int more = take_word(&n[1], at);
  if (more == 0) return NULL;
  const char *next = at + HEAD + n[1].u.string.len + 2;
  for (int i = 2; i < 2 + more; i++) {
    next = mp_bulk_parse(next, end, &n[i].u.string);
    if (!next) return NULL;
  }
  n[0].type = at[0] == '>' ? MOONPOOL_PUSH : MOONPOOL_ARRAY;
  n[0].u.list.count = (size_t)more + 1;
  n[0].u.list.last = &n[more + 1];
  n[3].next = more == 3 ? &n[4] : NULL;
  return next;
}
