/* What a client has asked for, from its frame to its answer. */
#include "session_private.h"

#include <stdio.h>

/* ---- its life -------------------------------------------------------------------------------- */

gw_request *gw_request_new(gw_session *session, json_t *frame) {
  moonpool_gateway *gateway = gw_session_gateway(session);
  gw_request *request = mp_calloc(gateway->allocator, sizeof *request);
  if (!request) {
    json_decref(frame);
    return NULL;
  }
  request->session = session;
  request->gateway = gateway;
  request->frame = frame;
  mp_buf_init(&request->out, gateway->allocator);
  request->next = session->requests;
  request->link = &session->requests;
  if (request->next) request->next->link = &request->next;
  session->requests = request;
  session->request_count++;
  gw_hold(gateway);
  return request;
}

void gw_request_orphan(gw_request *request) {
  if (!request->session) return;
  *request->link = request->next;
  if (request->next) request->next->link = request->link;
  request->session->request_count--;
  request->session = NULL;
}

static void end(gw_request *request) {
  moonpool_gateway *gateway = request->gateway;
  if (request->join) request->join->request = NULL;
  gw_request_orphan(request);
  if (request->room) gw_room_release(request->room);
  mp_buf_free(&request->out);
  mp_free(gateway->allocator, request->text);
  json_decref(request->frame);
  mp_free(gateway->allocator, request);
  gw_release(gateway);
}

/* ---- answers --------------------------------------------------------------------------------- */

void gw_session_answer(gw_session *session, moonpool_bytes json) {
  moonpool_gateway *gateway = gw_session_gateway(session);
  gw_chunk *chunk = NULL;
  moonpool_bytes none = {NULL, 0};
  if (gw_event_wrap(gateway->allocator, &chunk, GW_OF_SOCKET, json, NULL, none))
    gw_conn_close(session->conn, GW_CLOSE_INTERNAL, "out of memory");
  else
    gw_conn_send_answer(session->conn, chunk);
  gw_chunk_unref(gateway->allocator, chunk);
}

unsigned gw_http_status(int status) {
  switch (status) {
  case MOONPOOL_EARG: return 400;
  case MOONPOOL_EAUTH: return 401;
  case MOONPOOL_EPERM:
  case MOONPOOL_EREJECTED: return 403;
  case MOONPOOL_ETOOBIG: return 413;
  case MOONPOOL_EQUEUE: return 429;
  case MOONPOOL_ECONN:
  case MOONPOOL_ECLOSED: return 503;
  case MOONPOOL_ETIMEOUT: return 504;
  default: return 500;
  }
}

/* The ref is a string or a number; of anything else nothing is said. */
static int put_ref(mp_buf *out, const json_t *frame) {
  const json_t *ref = json_object_get(frame, "ref");
  if (json_is_integer(ref))
    return gw_json_key(out, "ref") && gw_json_number(out, json_integer_value(ref));
  if (!json_is_string(ref) && !json_is_real(ref)) return 1;
  char *text = json_dumps(ref, JSON_ENCODE_ANY);
  int is_put = text && gw_json_key(out, "ref") && gw_json_raw(out, text);
  free(text);
  return is_put;
}

static int put_room(mp_buf *out, const gw_request *request) {
  if (!request->room) return 1;
  return gw_json_key(out, "room") && gw_json_string(out, gw_room_name(request->room));
}

static int put_answer(mp_buf *out, const gw_request *request, const char *op) {
  moonpool_bytes members = {request->out.data, request->out.len};
  return gw_json_raw(out, "{\"op\":\"") && gw_json_raw(out, op) && gw_json_raw(out, "\"") &&
         put_ref(out, request->frame) && put_room(out, request) && gw_json_bytes(out, members) &&
         gw_json_raw(out, "}");
}

static void answer_socket(const gw_request *request, const char *op) {
  mp_buf json;
  mp_buf_init(&json, request->gateway->allocator);
  if (put_answer(&json, request, op))
    gw_session_answer(request->session, (moonpool_bytes){json.data, json.len});
  else
    gw_conn_close(request->session->conn, GW_CLOSE_INTERNAL, "out of memory");
  mp_buf_free(&json);
}

/* The members alone: `,"id":"..."` becomes `{"id":"..."}`. */
static void answer_http(const gw_request *request, unsigned status) {
  mp_buf json;
  mp_buf_init(&json, request->gateway->allocator);
  moonpool_bytes members = {request->out.data, request->out.len};
  if (members.len) members.data++, members.len--;
  if (gw_json_raw(&json, "{") && gw_json_bytes(&json, members) && gw_json_raw(&json, "}\n"))
    gw_conn_respond(request->session->conn, status, "application/json", json.data, json.len);
  else
    gw_conn_respond(request->session->conn, 503, "text/plain", "out of memory\n", 14);
  mp_buf_free(&json);
}

static void answer(const gw_request *request, const char *op, unsigned status) {
  if (!request->session) return;
  if (request->session->kind == GW_SESSION_SOCKET)
    answer_socket(request, op);
  else
    answer_http(request, status);
}

void gw_request_drop(gw_request *request) {
  end(request);
}

void gw_request_ok(gw_request *request) {
  answer(request, "ok", 201);
  end(request);
}

void gw_request_fail(gw_request *request, int status, const char *message) {
  const char *code = moonpool_status_name(status);
  if (!message) message = moonpool_status_text(status);
  request->out.len = 0;
  if (gw_json_key(&request->out, "code") &&
      gw_json_string(&request->out, (moonpool_bytes){code, strlen(code)}) &&
      gw_json_key(&request->out, "reason") &&
      gw_json_string(&request->out, (moonpool_bytes){message, strlen(message)}))
    answer(request, "error", gw_http_status(status));
  else if (request->session)
    gw_conn_close(request->session->conn, GW_CLOSE_INTERNAL, "out of memory");
  end(request);
}

void gw_request_fail_error(gw_request *request, const moonpool_error *error) {
  gw_request_fail(request, error->status, error->message);
}

/* ---- the frame's members --------------------------------------------------------------------- */

static int fail_member(gw_request *request, const char *key, const char *what) {
  char message[100];
  snprintf(message, sizeof message, "%s must be %s", key, what);
  gw_request_fail(request, MOONPOOL_EARG, message);
  return -1;
}

/* null is as good as nothing. */
static const json_t *member(const gw_request *request, const char *key) {
  const json_t *value = json_object_get(request->frame, key);
  return json_is_null(value) ? NULL : value;
}

int gw_request_string(gw_request *request, const char *key, moonpool_bytes *value) {
  const json_t *given = member(request, key);
  *value = (moonpool_bytes){NULL, 0};
  if (!given) return 0;
  if (!json_is_string(given)) return fail_member(request, key, "a string");
  *value = (moonpool_bytes){json_string_value(given), json_string_length(given)};
  return 0;
}

int gw_request_number(gw_request *request, const char *key, uint64_t most, uint64_t otherwise,
                      uint64_t *value) {
  const json_t *given = member(request, key);
  *value = otherwise;
  if (!given) return 0;
  json_int_t number = json_integer_value(given);
  if (!json_is_integer(given) || number < 0 || (uint64_t)number > most) {
    char what[60];
    snprintf(what, sizeof what, "a whole number from 0 to %llu", (unsigned long long)most);
    return fail_member(request, key, what);
  }
  *value = (uint64_t)number;
  return 0;
}

int gw_request_id(gw_request *request, const char *key, moonpool_id *id, int *is_given) {
  moonpool_bytes text;
  *is_given = 0;
  if (gw_request_string(request, key, &text)) return -1;
  if (!text.data) return 0;
  if (moonpool_id_parse(text, id)) return fail_member(request, key, "a message's id");
  *is_given = 1;
  return 0;
}

int gw_request_hold_room(gw_request *request) {
  moonpool_bytes text, name;
  char message[700] = "";
  if (gw_request_string(request, "room", &text)) return -1;
  if (!text.data) return fail_member(request, "room", "the name of a room");
  int status = moonpool_room_name(text, &name, message, sizeof message);
  if (!status && !gw_identity_may(&request->session->identity, name)) {
    status = MOONPOOL_EPERM;
    snprintf(message, sizeof message, "you may not enter this room");
  }
  if (!status)
    status = gw_room_hold(request->gateway, name, &request->room, message, sizeof message);
  if (!status) return 0;
  gw_request_fail(request, status, message[0] ? message : NULL);
  return -1;
}
