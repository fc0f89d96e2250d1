/* Reads entries of a room's history: {ms-seq, {t, TAG, m, BODY}} of a stream, and the members of
 * lists and sorted sets. */
#include "room_entry.h"

#include <string.h>

static int is_text(const moonpool_reply *reply) {
  return reply && reply->type == MOONPOOL_STRING;
}

static int is_list(const moonpool_reply *reply, size_t count) {
  return reply && reply->type == MOONPOOL_ARRAY && reply->u.list.count == count;
}

static int is_word(const moonpool_reply *reply, char c) {
  return is_text(reply) && reply->u.string.len == 1 && reply->u.string.data[0] == c;
}

/* As far as it is looked at here: what is stored by us is one. */
static int is_object(moonpool_bytes text) {
  return text.len >= 2 && text.data[0] == '{' && text.data[text.len - 1] == '}';
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* Both are read as one id, with what is missing of it put behind them. */
static int read_parts(moonpool_bytes place, moonpool_bytes tag, moonpool_id *id) {
  char text[MOONPOOL_ID_SIZE];
  if (place.len + 1 + tag.len >= sizeof text) return MOONPOOL_EARG;
  memcpy(text, place.data, place.len);
  text[place.len] = '-';
  memcpy(text + place.len + 1, tag.data, tag.len);
  return moonpool_id_parse((moonpool_bytes){text, place.len + 1 + tag.len}, id);
}

int mp_room_read_place(moonpool_bytes text, moonpool_id *place) {
  return read_parts(text, (moonpool_bytes){"0000000000000000", 16}, place);
}

/* ---- entries --------------------------------------------------------------------------------- */

int mp_room_read_stream_entry(const moonpool_reply *reply, moonpool_entry *entry,
                              moonpool_id *place) {
  if (!is_list(reply, 2) || !is_text(reply->u.list.first)) return 0;
  moonpool_bytes at = reply->u.list.first->u.string;
  if (mp_room_read_place(at, place) != MOONPOOL_OK) return 0;
  const moonpool_reply *fields = reply->u.list.last;
  if (!is_list(fields, 4)) return 0;
  const moonpool_reply *t = fields->u.list.first, *tag = t->next, *m = tag->next, *body = m->next;
  if (!is_word(t, 't') || !is_text(tag) || !is_word(m, 'm') || !is_text(body)) return 0;
  if (!is_object(body->u.string)) return 0;
  if (read_parts(at, tag->u.string, &entry->id) != MOONPOOL_OK) return 0;
  entry->body = body->u.string;
  return 1;
}

int mp_room_read_member(moonpool_bytes member, moonpool_entry *entry) {
  static const char before[] = "{\"id\":\"", between[] = "\",\"m\":";
  const size_t before_len = sizeof before - 1, between_len = sizeof between - 1;
  if (member.len < before_len || memcmp(member.data, before, before_len) != 0) return 0;
  const char *id = member.data + before_len, *end = member.data + member.len;
  const char *quote = memchr(id, '"', (size_t)(end - id));
  if (!quote || (size_t)(end - quote) < between_len + 3) return 0;
  if (memcmp(quote, between, between_len) != 0 || end[-1] != '}') return 0;
  const char *body = quote + between_len;
  entry->body = (moonpool_bytes){body, (size_t)(end - 1 - body)};
  if (!is_object(entry->body)) return 0;
  return moonpool_id_parse((moonpool_bytes){id, (size_t)(quote - id)}, &entry->id) == MOONPOOL_OK;
}
