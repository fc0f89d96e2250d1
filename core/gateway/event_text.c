#include "event_text.h"

#include "json_text.h"
#include "ws_frame.h"

#include <jansson.h>
#include <stdio.h>

/* ---- JSON ------------------------------------------------------------------------------------ */

static int put_begin(mp_buf *out, const char *op, moonpool_bytes head) {
  return gw_json_raw(out, "{\"op\":\"") && gw_json_raw(out, op) && gw_json_raw(out, "\"") &&
         gw_json_bytes(out, head);
}

/* The body of a message: what is no object becomes its text. */
static int put_body(mp_buf *out, moonpool_bytes body) {
  if (!gw_json_key(out, "message")) return 0;
  if (gw_json_is_object(body)) return gw_json_bytes(out, body);
  return gw_json_raw(out, "{\"text\":") && gw_json_string(out, body) && gw_json_raw(out, "}");
}

static int put_message(mp_buf *out, const moonpool_room_event *event, moonpool_bytes head) {
  return put_begin(out, "message", head) && gw_json_key(out, "id") && gw_json_id(out, &event->id) &&
         put_body(out, event->body) && gw_json_raw(out, "}");
}

static int put_position(mp_buf *out, const char *key, const moonpool_id *id) {
  if (!id->ms && !id->seq && !id->tag) return 1;
  return gw_json_key(out, key) && gw_json_id(out, id);
}

static int put_gap(mp_buf *out, const moonpool_gap *gap, moonpool_bytes head) {
  const char *reason = moonpool_gap_reason_name(gap->reason);
  return put_begin(out, "gap", head) && put_position(out, "from", &gap->from) &&
         put_position(out, "to", &gap->to) &&
         (gap->missing < 0 || (gw_json_key(out, "missing") && gw_json_number(out, gap->missing))) &&
         gw_json_key(out, "reason") &&
         gw_json_string(out, (moonpool_bytes){reason, strlen(reason)}) && gw_json_raw(out, "}");
}

static int put_down(mp_buf *out, const moonpool_error *error, moonpool_bytes head) {
  const char *code = moonpool_status_name(error->status);
  moonpool_bytes reason = {error->message ? error->message : "", 0};
  reason.len = strlen(reason.data);
  return put_begin(out, "down", head) && gw_json_key(out, "code") &&
         gw_json_string(out, (moonpool_bytes){code, strlen(code)}) && gw_json_key(out, "reason") &&
         gw_json_string(out, reason) && gw_json_raw(out, "}");
}

/* Who comes, goes and types is told in an op of its own, which says no more than that. */
static const char *presence_op(const json_t *type) {
  static const char *const ops[] = {"join", "leave", "typing"};
  const char *name = json_string_value(type);
  for (size_t i = 0; name && i < sizeof ops / sizeof *ops; i++)
    if (strcmp(name, ops[i]) == 0) return ops[i];
  return NULL;
}

static int put_signal(mp_buf *out, moonpool_bytes body, moonpool_bytes head) {
  json_t *value = body.len && body.data[0] == '{' ? json_loadb(body.data, body.len, 0, NULL) : NULL;
  const char *op = presence_op(json_object_get(value, "type"));
  json_t *user = json_object_get(value, "user");
  int is_put;
  if (op && json_is_string(user)) {
    moonpool_bytes name = {json_string_value(user), json_string_length(user)};
    is_put = put_begin(out, op, head) && gw_json_key(out, "user") && gw_json_string(out, name) &&
             gw_json_raw(out, "}");
  } else {
    is_put = put_begin(out, "message", head) && put_body(out, body) && gw_json_raw(out, "}");
  }
  json_decref(value);
  return is_put;
}

static int put(mp_buf *out, const moonpool_room_event *event, const moonpool_error *error,
               moonpool_bytes head) {
  switch (event->type) {
  case MOONPOOL_ROOM_MESSAGE: return put_message(out, event, head);
  case MOONPOOL_ROOM_SIGNAL: return put_signal(out, event->body, head);
  case MOONPOOL_ROOM_GAP: return put_gap(out, &event->gap, head);
  case MOONPOOL_ROOM_RECONNECTED: return put_begin(out, "reconnect", head) && gw_json_raw(out, "}");
  default: return put_down(out, error, head);
  }
}

int gw_event_put(mp_buf *out, const moonpool_room_event *event, const moonpool_error *error,
                 moonpool_bytes head) {
  if (event->type == MOONPOOL_ROOM_LIVE || event->type == MOONPOOL_ROOM_ENDED) return 0;
  size_t before = out->len;
  if (put(out, event, error, head)) return 1;
  out->len = before;
  return -1;
}

const char *gw_event_name(const moonpool_room_event *event) {
  switch (event->type) {
  case MOONPOOL_ROOM_GAP: return "gap";
  case MOONPOOL_ROOM_RECONNECTED: return "reconnect";
  case MOONPOOL_ROOM_ERROR: return "down";
  default: return "message";
  }
}

/* ---- wrapping -------------------------------------------------------------------------------- */

static int append(const moonpool_allocator *allocator, gw_chunk **chunk, const char *data,
                  size_t len) {
  return gw_chunk_append(allocator, chunk, data, len);
}

static int append_text(const moonpool_allocator *allocator, gw_chunk **chunk, const char *text) {
  return append(allocator, chunk, text, strlen(text));
}

static int wrap_frame(const moonpool_allocator *allocator, gw_chunk **chunk, moonpool_bytes json) {
  char header[GW_FRAME_MAX_HEADER];
  int status = append(allocator, chunk, header, gw_frame_header(header, GW_TEXT, json.len));
  return status ? status : append(allocator, chunk, json.data, json.len);
}

/* A line of a stream ends at CR and LF alike, which JSON has between its parts only. */
static void put_on_one_line(char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (text[i] == '\n' || text[i] == '\r') text[i] = ' ';
}

static int wrap_event(const moonpool_allocator *allocator, gw_chunk **chunk, moonpool_bytes json,
                      const char *name, moonpool_bytes id) {
  int status = MOONPOOL_OK;
  if (id.len) {
    status = append_text(allocator, chunk, "id: ");
    if (!status) status = append(allocator, chunk, id.data, id.len);
    if (!status) status = append_text(allocator, chunk, "\n");
  }
  if (!status) status = append_text(allocator, chunk, "event: ");
  if (!status) status = append_text(allocator, chunk, name);
  if (!status) status = append_text(allocator, chunk, "\ndata: ");
  if (!status) status = append(allocator, chunk, json.data, json.len);
  if (status) return status;
  put_on_one_line((*chunk)->data + (*chunk)->len - json.len, json.len);
  return append_text(allocator, chunk, "\n\n");
}

int gw_event_wrap(const moonpool_allocator *allocator, gw_chunk **chunk, unsigned whom,
                  moonpool_bytes json, const char *name, moonpool_bytes id) {
  enum { ROOM_FOR_MORE = 256 };
  if (!*chunk) *chunk = gw_chunk_new(allocator, json.len + ROOM_FOR_MORE);
  if (!*chunk) return MOONPOOL_ENOMEM;
  size_t before = (*chunk)->len;
  int status = whom == GW_OF_SOCKET ? wrap_frame(allocator, chunk, json)
                                    : wrap_event(allocator, chunk, json, name, id);
  if (status) (*chunk)->len = before;
  return status;
}
