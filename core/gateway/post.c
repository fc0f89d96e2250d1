/* POST /rooms/NAME/messages: one message, as a JSON object. */
#include "session_private.h"

#include <stdio.h>

static int is_json(moonpool_bytes type) {
  static const char name[] = "application/json";
  size_t len = sizeof name - 1;
  if (type.len < len || strncasecmp(type.data, name, len) != 0) return 0;
  return type.len == len || type.data[len] == ';' || type.data[len] == ' ';
}

static int set(json_t *frame, const char *key, moonpool_bytes value) {
  if (!value.data) return 1;
  return json_object_set_new(frame, key, json_stringn(value.data, value.len)) == 0;
}

void gw_post_open(gw_request *request, const gw_session_start *start) {
  json_error_t error = {0};
  char message[300];
  if (!is_json(start->type)) {
    gw_request_fail(request, MOONPOOL_EARG, "Content-Type must be application/json");
    return;
  }
  request->frame = json_loadb(start->body.data, start->body.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  if (!json_is_object(request->frame)) {
    snprintf(message, sizeof message, "the body must be a JSON object%s%s",
             request->frame ? "" : ": ", request->frame ? "" : error.text);
    gw_request_fail(request, MOONPOOL_EARG, message);
    return;
  }
  if (!set(request->frame, "room", start->room) || !set(request->frame, "key", start->key)) {
    gw_request_fail(request, MOONPOOL_EARG, "the room's name and the key must be UTF-8");
    return;
  }
  moonpool_bytes user = start->user;
  if (!user.data && gw_request_string(request, "user", &user)) return;
  request->then = gw_op_say;
  gw_authenticate(request, start->token, user);
}
