/* GET /rooms/NAME/events: an event stream
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html) of one room. */
#include "session_private.h"

/* From the request's words, which are text, members of a frame. */
static int set(json_t *frame, const char *key, moonpool_bytes value) {
  if (!value.data) return 1;
  return json_object_set_new(frame, key, json_stringn(value.data, value.len)) == 0;
}

static json_t *frame_of(const gw_session_start *start) {
  json_t *frame = json_object();
  char *end = NULL;
  char digits[24] = "";
  if (start->last.data && start->last.len < sizeof digits)
    memcpy(digits, start->last.data, start->last.len);
  long long last = strtoll(digits, &end, 10);
  int is_number =
      !start->last.data || (start->last.len && start->last.len < sizeof digits && *end == '\0');
  if (frame && set(frame, "room", start->room) && set(frame, "since", start->since) && is_number &&
      (!start->last.data || json_object_set_new(frame, "last", json_integer(last)) == 0))
    return frame;
  json_decref(frame);
  return NULL;
}

void gw_stream_open(gw_request *request, const gw_session_start *start) {
  request->frame = frame_of(start);
  if (!request->frame) {
    gw_request_fail(request, MOONPOOL_EARG, "room, since and last must be UTF-8, last a number");
    return;
  }
  request->then = gw_op_join;
  gw_authenticate(request, start->token, start->user);
}
