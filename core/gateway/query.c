/* What was said, and who is here. Answers are bounded in their entries and in their bytes. */
#include "session_private.h"

#include <stdio.h>

enum { HISTORY_MAX = 500, HISTORY_DEFAULT = 50, WHO_MAX = 1000, ANSWER_BYTES = 1 << 20 };

/* ---- history --------------------------------------------------------------------------------- */

static int put_entry(mp_buf *out, const moonpool_entry *entry) {
  if (!gw_json_raw(out, "{\"id\":") || !gw_json_id(out, &entry->id) || !gw_json_key(out, "message"))
    return 0;
  int is_put = gw_json_is_object(entry->body)
                   ? gw_json_bytes(out, entry->body)
                   : gw_json_raw(out, "{\"text\":") && gw_json_string(out, entry->body) &&
                         gw_json_raw(out, "}");
  return is_put && gw_json_raw(out, "}");
}

/* Which of them have space in an answer: the newest, or, for who reads on from a place, the
 * oldest. */
static void fit(const moonpool_entry *entries, size_t *first, size_t *end, int reads_on) {
  size_t bytes = 0, count = *end, n = 0;
  for (; n < count; n++) {
    bytes += entries[reads_on ? n : count - 1 - n].body.len + MOONPOOL_ID_SIZE;
    if (bytes > ANSWER_BYTES && n > 0) break;
  }
  *first = reads_on ? 0 : count - n;
  *end = reads_on ? n : count;
}

static int put_history(gw_request *request, const moonpool_entry *entries, size_t count) {
  mp_buf *out = &request->out;
  int reads_on =
      json_object_get(request->frame, "after") || json_object_get(request->frame, "since");
  size_t first = 0, end = count;
  fit(entries, &first, &end, reads_on);
  if (!gw_json_key(out, "messages") || !gw_json_raw(out, "[")) return 0;
  for (size_t i = first; i < end; i++)
    if ((i > first && !gw_json_raw(out, ",")) || !put_entry(out, &entries[i])) return 0;
  return gw_json_raw(out, "]") && (end - first == count || gw_json_raw(out, ",\"truncated\":true"));
}

static void on_history(const moonpool_entry *entries, size_t count, const moonpool_error *error,
                       void *ctx) {
  gw_request *request = ctx;
  if (error)
    gw_request_fail_error(request, error);
  else if (put_history(request, entries, count))
    gw_request_ok(request);
  else
    gw_request_fail(request, MOONPOOL_ENOMEM, NULL);
}

/* 0, or -1 after having failed the request. The ids are the caller's. */
static int read_query(gw_request *request, moonpool_history_query *query, moonpool_id ids[2]) {
  int is_before, is_after;
  uint64_t last, limit;
  if (gw_request_number(request, "last", HISTORY_MAX, 0, &last) ||
      gw_request_number(request, "limit", HISTORY_MAX, HISTORY_DEFAULT, &limit) ||
      gw_request_number(request, "since", INT64_MAX, 0, &query->since_ms) ||
      gw_request_number(request, "till", INT64_MAX, 0, &query->till_ms) ||
      gw_request_id(request, "before", &ids[0], &is_before) ||
      gw_request_id(request, "after", &ids[1], &is_after))
    return -1;
  query->last = (size_t)last;
  query->limit = last ? HISTORY_MAX : limit ? (size_t)limit : HISTORY_DEFAULT;
  if (is_before) query->before = &ids[0];
  if (is_after) query->after = &ids[1];
  return 0;
}

void gw_op_history(gw_request *request) {
  moonpool_history_query query = {0};
  moonpool_id ids[2];
  if (read_query(request, &query, ids) || gw_request_hold_room(request)) return;
  int status = moonpool_room_history(gw_room_handle(request->room), &query,
                                     request->gateway->options.query_timeout, on_history, request);
  if (status) gw_request_fail(request, status, NULL);
}

/* ---- who is here ----------------------------------------------------------------------------- */

static void on_count(uint64_t count, const moonpool_error *error, void *ctx) {
  gw_request *request = ctx;
  if (error)
    gw_request_fail_error(request, error);
  else if (gw_json_key(&request->out, "count") && gw_json_number(&request->out, (int64_t)count))
    gw_request_ok(request);
  else
    gw_request_fail(request, MOONPOOL_ENOMEM, NULL);
}

static int put_member(mp_buf *out, const moonpool_member *member) {
  return gw_json_raw(out, "{\"user\":") && gw_json_string(out, member->user) &&
         gw_json_key(out, "since") && gw_json_number(out, (int64_t)member->since_ms) &&
         gw_json_key(out, "places") && gw_json_number(out, (int64_t)member->places) &&
         gw_json_raw(out, "}");
}

/* A cursor is 64 bits, more than a number of JavaScript's has: it is a string. */
static int put_who(mp_buf *out, const moonpool_member *members, size_t count, uint64_t cursor) {
  char text[40];
  if (!gw_json_key(out, "members") || !gw_json_raw(out, "[")) return 0;
  for (size_t i = 0; i < count; i++)
    if ((i > 0 && !gw_json_raw(out, ",")) || !put_member(out, &members[i])) return 0;
  snprintf(text, sizeof text, "],\"cursor\":\"%llu\"", (unsigned long long)cursor);
  return gw_json_raw(out, text);
}

static void on_who(const moonpool_member *members, size_t count, uint64_t cursor,
                   const moonpool_error *error, void *ctx) {
  gw_request *request = ctx;
  if (error || !request->session) {
    gw_request_fail(request, error ? error->status : MOONPOOL_ECLOSED,
                    error ? error->message : NULL);
    return;
  }
  int status = MOONPOOL_ENOMEM;
  if (put_who(&request->out, members, count, cursor))
    status = moonpool_room_count(gw_room_handle(request->room),
                                 request->gateway->options.query_timeout, on_count, request);
  if (status) gw_request_fail(request, status, NULL);
}

static int read_cursor(gw_request *request, uint64_t *cursor) {
  moonpool_bytes text;
  char *end;
  *cursor = 0;
  if (gw_request_string(request, "cursor", &text)) return -1;
  if (!text.data) return 0;
  *cursor = strtoull(text.data, &end, 10);
  if (text.len > 0 && text.len <= 20 && text.data[0] != '-' && end == text.data + text.len)
    return 0;
  gw_request_fail(request, MOONPOOL_EARG, "cursor must be one that was given");
  return -1;
}

void gw_op_who(gw_request *request) {
  uint64_t cursor, limit;
  if (read_cursor(request, &cursor) ||
      gw_request_number(request, "limit", WHO_MAX, WHO_MAX, &limit) ||
      gw_request_hold_room(request))
    return;
  int status = moonpool_room_who(gw_room_handle(request->room), cursor, (size_t)limit,
                                 request->gateway->options.query_timeout, on_who, request);
  if (status) gw_request_fail(request, status, NULL);
}
