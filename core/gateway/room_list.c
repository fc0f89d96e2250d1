/* Which rooms there are: those that Redis has, as SCAN finds them, for a few seconds; of these each
 * client is told the ones that it may enter. */
#include "room_list.h"

#include "glob.h"
#include "rooms_private.h"

enum { SCANS_MAX = 100, ROOMS_MAX = 1000, FRESH_MS = 5000, STEPS_MAX = 4000000 };

/* What is around a room's name in the key that it is found by. */
static const char prefix[] = "{room:";
enum { PREFIX_LEN = sizeof prefix - 1, SUFFIX_LEN = sizeof "}:config" - 1 };

/* Names one behind the other, each with its length in front. */
struct gw_room_list {
  moonpool_gateway *gateway;
  mp_buf names;
  size_t count, scans;
  uint64_t fresh_until; /* of the loop, ms */
  int is_scanning;
  gw_request *waiting; /* by next_queued: for the scan's end */
  char cursor[32];
};

static int add_name(gw_room_list *list, moonpool_bytes name) {
  size_t before = list->names.len;
  if (mp_buf_append(&list->names, (const char *)&name.len, sizeof name.len) == MOONPOOL_OK &&
      mp_buf_append(&list->names, name.data, name.len) == MOONPOOL_OK) {
    list->count++;
    return 1;
  }
  list->names.len = before;
  return 0;
}

static moonpool_bytes name_at(const gw_room_list *list, size_t *at) {
  moonpool_bytes name;
  memcpy(&name.len, list->names.data + *at, sizeof name.len);
  name.data = list->names.data + *at + sizeof name.len;
  *at += sizeof name.len + name.len;
  return name;
}

static int has_name(const gw_room_list *list, moonpool_bytes wanted) {
  for (size_t at = 0; at < list->names.len;) {
    moonpool_bytes name = name_at(list, &at);
    if (name.len == wanted.len && memcmp(name.data, wanted.data, name.len) == 0) return 1;
  }
  return 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Whoever asks for costly patterns is told less than all, not served for long: *steps counts the
 * bytes compared at worst. */
static int is_wanted(moonpool_bytes pattern, moonpool_bytes name, size_t *steps) {
  if (!pattern.data) return 1;
  *steps += pattern.len * name.len;
  return *steps <= STEPS_MAX && gw_glob_match(pattern, name);
}

static int put_rooms(gw_request *request, const gw_room_list *list, moonpool_bytes pattern) {
  mp_buf *out = &request->out;
  const gw_identity *identity = &request->session->identity;
  int is_first = 1;
  size_t steps = 0;
  pattern = gw_glob_of_rooms(pattern);
  if (!gw_json_key(out, "rooms") || !gw_json_raw(out, "[")) return 0;
  for (size_t at = 0; at < list->names.len;) {
    moonpool_bytes name = name_at(list, &at);
    if (!gw_identity_may(identity, name)) continue;
    if (!is_wanted(pattern, name, &steps)) continue;
    if ((!is_first && !gw_json_raw(out, ",")) || !gw_json_raw(out, "{\"room\":") ||
        !gw_json_string(out, name) || !gw_json_raw(out, "}"))
      return 0;
    is_first = 0;
  }
  return gw_json_raw(out, "]") && ((list->count < ROOMS_MAX && steps <= STEPS_MAX) ||
                                   gw_json_raw(out, ",\"truncated\":true"));
}

static void answer(gw_request *request, const gw_room_list *list) {
  moonpool_bytes pattern;
  if (!request->session) {
    gw_request_fail(request, MOONPOOL_ECLOSED, NULL);
    return;
  }
  if (gw_request_string(request, "pattern", &pattern)) return;
  if (put_rooms(request, list, pattern))
    gw_request_ok(request);
  else
    gw_request_fail(request, MOONPOOL_ENOMEM, NULL);
}

static void end_scan(gw_room_list *list, const moonpool_error *error) {
  gw_request *request = list->waiting;
  list->waiting = NULL;
  list->is_scanning = 0;
  if (!error) list->fresh_until = uv_now(list->gateway->loop) + FRESH_MS;
  while (request) {
    gw_request *next = request->next_queued;
    if (error)
      gw_request_fail_error(request, error);
    else
      answer(request, list);
    request = next;
  }
}

/* ---- the scan -------------------------------------------------------------------------------- */

static void scan(gw_room_list *list);

/* The name in "{room:NAME}:config". */
static void take_key(gw_room_list *list, moonpool_bytes key) {
  size_t before = PREFIX_LEN, after = SUFFIX_LEN;
  if (key.len <= before + after || memcmp(key.data, prefix, before) != 0) return;
  moonpool_bytes name = {key.data + before, key.len - before - after};
  if (list->count < ROOMS_MAX && !has_name(list, name)) add_name(list, name);
}

static int take_page(gw_room_list *list, const moonpool_reply *reply) {
  const moonpool_reply *cursor = reply->u.list.first, *keys = cursor ? cursor->next : NULL;
  if (!keys || keys->type != MOONPOOL_ARRAY || cursor->u.string.len >= sizeof list->cursor)
    return 0;
  memcpy(list->cursor, cursor->u.string.data, cursor->u.string.len);
  list->cursor[cursor->u.string.len] = '\0';
  for (const moonpool_reply *key = keys->u.list.first; key; key = key->next)
    take_key(list, key->u.string);
  return 1;
}

static void on_page(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  gw_room_list *list = ctx;
  static const moonpool_error strange = {MOONPOOL_EPROTO, "SCAN has answered something strange"};
  moonpool_gateway *gateway = list->gateway;
  if (!error && (reply->type != MOONPOOL_ARRAY || !take_page(list, reply))) error = &strange;
  int is_over = error || strcmp(list->cursor, "0") == 0 || ++list->scans >= SCANS_MAX ||
                list->count >= ROOMS_MAX || gateway->is_closing;
  if (is_over)
    end_scan(list, error);
  else
    scan(list);
  gw_release(gateway);
}

static void scan(gw_room_list *list) {
  moonpool_bytes argv[] = {{"SCAN", 4},  {list->cursor, strlen(list->cursor)},
                           {"MATCH", 5}, {"{room:*}:config", 15},
                           {"COUNT", 5}, {"1000", 4}};
  moonpool_gateway *gateway = list->gateway;
  gw_hold(gateway);
  int status =
      moonpool_command(gateway->client, 6, argv, gateway->options.query_timeout, on_page, list);
  if (status == MOONPOOL_OK) return;
  moonpool_error error = {(moonpool_status)status, moonpool_status_text(status)};
  end_scan(list, &error);
  gw_release(gateway);
}

void gw_op_rooms(gw_request *request) {
  gw_room_list *list = request->gateway->rooms->list;
  moonpool_bytes pattern;
  if (gw_request_string(request, "pattern", &pattern)) return;
  if (pattern.len > MOONPOOL_ROOM_NAME_MAX) {
    gw_request_fail(request, MOONPOOL_EARG, "pattern must have at most 512 bytes");
    return;
  }
  if (uv_now(request->gateway->loop) < list->fresh_until) {
    answer(request, list);
    return;
  }
  request->next_queued = list->waiting;
  list->waiting = request;
  if (list->is_scanning) return;
  list->is_scanning = 1;
  list->names.len = list->count = list->scans = 0;
  strcpy(list->cursor, "0");
  scan(list);
}

/* ---- its life -------------------------------------------------------------------------------- */

gw_room_list *gw_room_list_new(moonpool_gateway *gateway) {
  gw_room_list *list = mp_calloc(gateway->allocator, sizeof *list);
  if (!list) return NULL;
  list->gateway = gateway;
  mp_buf_init(&list->names, gateway->allocator);
  return list;
}

void gw_room_list_free(gw_room_list *list) {
  if (!list) return;
  const moonpool_allocator *allocator = list->gateway->allocator;
  mp_buf_free(&list->names);
  mp_free(allocator, list);
}
