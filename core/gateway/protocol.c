/* moonpool.v1: what a socket's messages ask for. docs/gateway.md is the manual. */
#include "session_private.h"

#include <stdio.h>

enum { BAD_IN_A_ROW = 3 };

static void op_ping(gw_request *request) {
  gw_request_ok(request);
}

static void greet(gw_request *request) {
  gw_request_ok(request);
}

static void op_hello(gw_request *request) {
  moonpool_bytes token, user;
  if (request->session->is_known) {
    gw_request_fail(request, MOONPOOL_EARG, "hello was said already");
    return;
  }
  if (gw_request_string(request, "token", &token) || gw_request_string(request, "user", &user))
    return;
  request->then = greet;
  gw_authenticate(request, token, user);
}

typedef struct op {
  const char *name;
  gw_request_fn take;
  int is_for_all; /* also who has not said hello */
} op;

static const op ops[] = {
    {"say", gw_op_say, 0},       {"join", gw_op_join, 0},       {"leave", gw_op_leave, 0},
    {"typing", gw_op_typing, 0}, {"history", gw_op_history, 0}, {"who", gw_op_who, 0},
    {"rooms", gw_op_rooms, 0},   {"hello", op_hello, 1},        {"ping", op_ping, 1},
};

static const op *find(const char *name) {
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (strcmp(ops[i].name, name) == 0) return &ops[i];
  return NULL;
}

static void refuse(gw_request *request) {
  const char *name = json_string_value(json_object_get(request->frame, "op"));
  char message[100];
  if (name)
    snprintf(message, sizeof message, "there is no op \"%.40s\"", name);
  else
    snprintf(message, sizeof message, "op must be a string");
  gw_request_fail(request, MOONPOOL_EARG, message);
}

/* In its turn: a leave must not overtake the join before it. */
static void take_in_turn(gw_request *request) {
  find(json_string_value(json_object_get(request->frame, "op")))->take(request);
}

static void take(gw_request *request) {
  gw_session *session = request->session;
  const char *name = json_string_value(json_object_get(request->frame, "op"));
  const op *found = name ? find(name) : NULL;
  size_t most = request->gateway->options.max_requests;
  if (!found)
    refuse(request);
  else if (!session->is_known && !found->is_for_all)
    gw_request_fail(request, MOONPOOL_EAUTH, "say hello first");
  else if (most && session->request_count > most)
    gw_request_fail(request, MOONPOOL_EQUEUE, "too many requests are waiting for their answers");
  else if (gw_judge_is_busy(session))
    gw_judge_wait(request, take_in_turn);
  else
    found->take(request);
}

/* Somebody who never sends anything else speaks another protocol. */
static void refuse_text(gw_session *session, const json_error_t *error) {
  char message[300];
  if (error)
    snprintf(message, sizeof message, "not JSON: %s", error->text);
  else
    snprintf(message, sizeof message, "a JSON object is needed");
  gw_request *request = gw_request_new(session, NULL);
  if (!request) {
    gw_conn_close(session->conn, GW_CLOSE_INTERNAL, "out of memory");
    return;
  }
  gw_request_fail(request, MOONPOOL_EARG, message);
  if (++session->bad >= BAD_IN_A_ROW)
    gw_conn_close(session->conn, GW_CLOSE_POLICY, "messages must be JSON objects");
}

void gw_protocol_take(gw_session *session, const char *text, size_t len) {
  json_error_t error;
  json_t *frame = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  if (!json_is_object(frame)) {
    refuse_text(session, frame ? NULL : &error);
    json_decref(frame);
    return;
  }
  session->bad = 0;
  gw_request *request = gw_request_new(session, frame);
  if (request)
    take(request);
  else
    gw_conn_close(session->conn, GW_CLOSE_INTERNAL, "out of memory");
}
