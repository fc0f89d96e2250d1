/* Questions to the host's judges. Of one session one question at a time is open, and what was asked
 * for later waits behind it, so that verdicts keep the order of what they are about. */
#include "session_private.h"

#include <stdio.h>

/* ---- the queue ------------------------------------------------------------------------------- */

static void push_front(gw_session *session, gw_request *request) {
  request->next_queued = session->queue;
  if (!session->queue) session->queue_end = &request->next_queued;
  session->queue = request;
}

static void push_back(gw_session *session, gw_request *request) {
  request->next_queued = NULL;
  *session->queue_end = request;
  session->queue_end = &request->next_queued;
}

static gw_request *pop(gw_session *session) {
  gw_request *request = session->queue;
  session->queue = request->next_queued;
  if (!session->queue) session->queue_end = &session->queue;
  return request;
}

/* Those that have waited, until one of them is being judged. */
static void go_on(gw_session *session) {
  while (session->queue && !session->queue->is_judged) {
    gw_request *request = pop(session);
    request->then(request);
  }
}

int gw_judge_is_busy(const gw_session *session) {
  return session->queue != NULL;
}

void gw_judge_wait(gw_request *request, gw_request_fn then) {
  request->then = then;
  push_back(request->session, request);
}

/* One that is being judged ends with its verdict. */
void gw_judge_forget(gw_request *request) {
  if (!request->is_judged) gw_request_fail(request, MOONPOOL_ECLOSED, NULL);
}

/* ---- the question ---------------------------------------------------------------------------- */

static moonpool_bytes text_of(const gw_request *request, const char *key) {
  const json_t *value = json_object_get(request->frame, key);
  if (!json_is_string(value)) return (moonpool_bytes){NULL, 0};
  return (moonpool_bytes){json_string_value(value), json_string_length(value)};
}

static void ask(gw_request *request) {
  const moonpool_gateway_options *options = &request->gateway->options;
  const gw_session *session = request->session;
  moonpool_gateway_request about = {.verb = (moonpool_gateway_verb)request->verb,
                                    .address = gw_conn_address(session->conn)};
  if (request->verb == MOONPOOL_GATEWAY_AUTHENTICATE) {
    about.user = text_of(request, "user");
    about.token = text_of(request, "token");
    if (session->origin) about.origin = (moonpool_bytes){session->origin, strlen(session->origin)};
  } else {
    about.user = session->identity.user;
    about.room = gw_room_name(request->room);
  }
  if (request->verb == MOONPOOL_GATEWAY_SAY) {
    about.text = text_of(request, "text");
    about.type = text_of(request, "type");
  }
  options->judges[request->verb]((moonpool_gateway_ticket *)request, &about, options->ctx);
}

void gw_judge(gw_request *request, moonpool_gateway_verb verb, gw_request_fn then) {
  request->then = then;
  if (!request->gateway->options.judges[verb]) {
    then(request);
    return;
  }
  request->verb = (uint8_t)verb;
  request->is_judged = 1;
  push_front(request->session, request);
  ask(request);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

/* Its session, or NULL when that has gone: then the request is, too. */
static gw_session *take_back(gw_request *request) {
  gw_session *session = request->session;
  request->is_judged = 0;
  if (session)
    pop(session);
  else
    gw_request_fail(request, MOONPOOL_ECLOSED, NULL);
  return session;
}

static int take_identity(gw_request *request, const moonpool_gateway_grant *grant, char *message,
                         size_t size) {
  const char *fault = gw_identity_user_fault(grant->user);
  if (fault) {
    snprintf(message, size, "the user's name that was granted %s", fault);
    return MOONPOOL_ESCRIPT;
  }
  return gw_identity_init(&request->session->identity, request->gateway->allocator, grant->user,
                          grant->rooms, grant->room_count, grant->expires_ms);
}

static int take_text(gw_request *request, const moonpool_gateway_grant *grant) {
  if (!grant || !grant->text.data) return MOONPOOL_OK;
  request->text = mp_strndup(request->gateway->allocator, grant->text.data, grant->text.len);
  request->text_len = grant->text.len;
  return request->text ? MOONPOOL_OK : MOONPOOL_ENOMEM;
}

static int take_grant(gw_request *request, const moonpool_gateway_grant *grant, char *message,
                      size_t size) {
  switch (request->verb) {
  case MOONPOOL_GATEWAY_AUTHENTICATE: return take_identity(request, grant, message, size);
  case MOONPOOL_GATEWAY_SAY: return take_text(request, grant);
  default: return MOONPOOL_OK;
  }
}

void moonpool_gateway_allow(moonpool_gateway_ticket *ticket, const moonpool_gateway_grant *grant) {
  gw_request *request = (gw_request *)ticket;
  char message[200] = "";
  request->gateway->stats.allowed++;
  gw_session *session = take_back(request);
  if (!session) return;
  int status = take_grant(request, grant, message, sizeof message);
  if (status)
    gw_request_fail(request, status, message[0] ? message : NULL);
  else
    request->then(request);
  go_on(session);
}

void moonpool_gateway_reject(moonpool_gateway_ticket *ticket, int status, const char *reason) {
  gw_request *request = (gw_request *)ticket;
  int is_auth = request->verb == MOONPOOL_GATEWAY_AUTHENTICATE;
  request->gateway->stats.rejected++;
  if (is_auth) request->gateway->stats.auth_failures++;
  gw_session *session = take_back(request);
  if (!session) return;
  gw_request_fail(request, status, reason);
  if (is_auth && session->kind == GW_SESSION_SOCKET)
    gw_conn_close(session->conn, GW_CLOSE_AUTH, reason);
  go_on(session);
}
