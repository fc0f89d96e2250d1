/* Who a client is: by a token, by what a judge says, or, where nobody is asked for either, by the
 * name that it gives. */
#include "session_private.h"

#include "token.h"

#include <stdio.h>

static uint64_t wall_clock_ms(void) {
  uv_timeval64_t now = {0};
  uv_gettimeofday(&now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

/* Nobody goes on without a token; of an event stream or a POST the answer was all. */
static void refuse(gw_request *request, const char *reason) {
  gw_session *session = request->session;
  request->gateway->stats.auth_failures++;
  gw_request_fail(request, MOONPOOL_EAUTH, reason);
  if (session && session->kind == GW_SESSION_SOCKET)
    gw_conn_close(session->conn, GW_CLOSE_AUTH, reason);
}

static void know(gw_request *request) {
  gw_session *session = request->session;
  session->is_known = 1;
  if (session->kind == GW_SESSION_SOCKET &&
      !(gw_json_key(&request->out, "user") &&
        gw_json_string(&request->out, session->identity.user)))
    gw_request_fail(request, MOONPOOL_ENOMEM, NULL);
  else
    request->then(request);
}

static void by_token(gw_request *request, moonpool_bytes token) {
  moonpool_gateway *gateway = request->gateway;
  const char *reason = NULL;
  char message[200];
  if (!token.data) {
    refuse(request, "a token is needed");
    return;
  }
  int status = gw_token_check(gateway->allocator, gateway->options.secret, token, wall_clock_ms(),
                              &request->session->identity, &reason);
  if (status == MOONPOOL_OK) {
    know(request);
  } else if (status == MOONPOOL_EAUTH) {
    snprintf(message, sizeof message, "the token %s", reason);
    refuse(request, message);
  } else {
    gw_request_fail(request, status, NULL);
  }
}

static void by_name(gw_request *request, moonpool_bytes user) {
  gw_session *session = request->session;
  char message[200];
  if (!user.data && session->kind != GW_SESSION_SOCKET) user = (moonpool_bytes){"guest", 5};
  const char *fault = user.data ? gw_identity_user_fault(user) : "must be a name";
  int status = MOONPOOL_EARG;
  if (fault)
    snprintf(message, sizeof message, "user %s", fault);
  else
    status = gw_identity_init_anyone(&session->identity, request->gateway->allocator, user);
  if (status == MOONPOOL_OK)
    know(request);
  else
    gw_request_fail(request, status, fault ? message : NULL);
}

/* ---- by a judge ------------------------------------------------------------------------------ */

static int add_copy(gw_request *request, const char *key, moonpool_bytes value) {
  if (!value.data || json_object_get(request->frame, key)) return 1;
  return json_object_set_new(request->frame, key, json_stringn(value.data, value.len)) == 0;
}

/* The judge has filled in who it is. */
static void judged(gw_request *request) {
  gw_request *own = request;
  own->then = own->after;
  know(own);
}

static void by_judge(gw_request *request, moonpool_bytes token, moonpool_bytes user) {
  if (!request->frame) request->frame = json_object();
  if (!request->frame || !add_copy(request, "token", token) || !add_copy(request, "user", user)) {
    gw_request_fail(request, MOONPOOL_EARG, "the token or the user's name is not UTF-8");
    return;
  }
  request->after = request->then;
  gw_judge(request, MOONPOOL_GATEWAY_AUTHENTICATE, judged);
}

void gw_authenticate(gw_request *request, moonpool_bytes token, moonpool_bytes user) {
  const moonpool_gateway_options *options = &request->gateway->options;
  if (options->judges[MOONPOOL_GATEWAY_AUTHENTICATE])
    by_judge(request, token, user);
  else if (options->secret.data)
    by_token(request, token);
  else
    by_name(request, user);
}
