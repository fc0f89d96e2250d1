/* Saying something: checked, judged, then stored. */
#include "session_private.h"

#include <stdio.h>

static void on_stored(const moonpool_stored *stored, const moonpool_error *error, void *ctx) {
  gw_request *request = ctx;
  if (!stored) {
    gw_request_fail_error(request, error);
    return;
  }
  request->gateway->stats.messages_said++;
  mp_buf *out = &request->out;
  moonpool_bytes warning = {error ? error->message : "", 0};
  warning.len = strlen(warning.data);
  int is_put = gw_json_key(out, "id") &&
               gw_json_string(out, (moonpool_bytes){stored->id_text, strlen(stored->id_text)}) &&
               (!stored->is_repeat || gw_json_raw(out, ",\"repeat\":true")) &&
               (!error || (gw_json_key(out, "warning") && gw_json_string(out, warning)));
  if (is_put)
    gw_request_ok(request);
  else
    gw_request_fail(request, MOONPOOL_ENOMEM, NULL);
}

/* Members that were checked before. */
static moonpool_bytes text_of(const gw_request *request, const char *key) {
  const json_t *value = json_object_get(request->frame, key);
  if (!json_is_string(value)) return (moonpool_bytes){NULL, 0};
  return (moonpool_bytes){json_string_value(value), json_string_length(value)};
}

/* "message" is what a message is that has no type. */
static int is_action(moonpool_bytes type) {
  return type.len == 6 && memcmp(type.data, "action", 6) == 0;
}

void gw_say(gw_request *request) {
  moonpool_message message = {.user = request->session->identity.user};
  message.text =
      request->text ? (moonpool_bytes){request->text, request->text_len} : text_of(request, "text");
  moonpool_bytes type = text_of(request, "type"), key = text_of(request, "key");
  if (is_action(type)) message.type = type;
  if (!key.data) key = (moonpool_bytes){"", 0}; /* one is made */
  int status = moonpool_room_say(gw_room_handle(request->room), &message, key,
                                 request->gateway->options.query_timeout, on_stored, request);
  if (status) gw_request_fail(request, status, NULL);
}

static int is_type(moonpool_bytes type) {
  return !type.data || is_action(type) || (type.len == 7 && memcmp(type.data, "message", 7) == 0);
}

enum { KEY_MAX = 256 };

void gw_op_say(gw_request *request) {
  moonpool_bytes text, type, key;
  if (gw_request_string(request, "text", &text) || gw_request_string(request, "type", &type) ||
      gw_request_string(request, "key", &key))
    return;
  if (!text.data)
    gw_request_fail(request, MOONPOOL_EARG, "text must be a string");
  else if (!is_type(type))
    gw_request_fail(request, MOONPOOL_EARG, "type must be \"message\" or \"action\"");
  else if (key.data && (key.len == 0 || key.len > KEY_MAX))
    gw_request_fail(request, MOONPOOL_EARG, "key must have 1 to 256 bytes");
  else if (gw_request_hold_room(request) == 0)
    gw_judge(request, MOONPOOL_GATEWAY_SAY, gw_say);
}
