/* A session's life: who it is, for how long, and what ends with it. */
#include "session_private.h"

#include "event_text.h"
#include "rooms_private.h"

#include <stdio.h>

/* ---- begin and end --------------------------------------------------------------------------- */

static void enter(gw_session *session) {
  gw_rooms *rooms = gw_session_gateway(session)->rooms;
  session->next = rooms->sessions;
  session->link = &rooms->sessions;
  if (session->next) session->next->link = &session->next;
  rooms->sessions = session;
}

static int keep_origin(gw_session *session, moonpool_bytes origin) {
  const moonpool_gateway *gateway = gw_session_gateway(session);
  if (!origin.data || !gateway->options.judges[MOONPOOL_GATEWAY_AUTHENTICATE]) return 1;
  session->origin = mp_strndup(gateway->allocator, origin.data, origin.len);
  return session->origin != NULL;
}

static void hello(gw_request *request) {
  gw_request_ok(request);
}

/* Of a socket that names itself in its request. */
static void begin_socket(gw_session *session, const gw_session_start *start) {
  if (!start->token.data && !start->user.data) return;
  gw_request *request = gw_request_new(session, NULL);
  if (!request) {
    gw_conn_close(session->conn, GW_CLOSE_INTERNAL, "out of memory");
    return;
  }
  request->then = hello;
  gw_authenticate(request, start->token, start->user);
}

static void begin_http(gw_session *session, const gw_session_start *start) {
  gw_request *request = gw_request_new(session, NULL);
  if (!request)
    gw_conn_respond(session->conn, 503, "text/plain", "out of memory\n", 14);
  else if (session->kind == GW_SESSION_STREAM)
    gw_stream_open(request, start);
  else
    gw_post_open(request, start);
}

gw_session *gw_session_open(gw_conn *conn, const gw_session_start *start) {
  moonpool_gateway *gateway = gw_conn_gateway(conn);
  gw_session *session = mp_calloc(gateway->allocator, sizeof *session);
  if (!session) return NULL;
  session->conn = conn;
  session->kind = (uint8_t)start->kind;
  session->since = uv_now(gateway->loop);
  session->queue_end = &session->queue;
  if (!keep_origin(session, start->origin)) {
    mp_free(gateway->allocator, session);
    return NULL;
  }
  enter(session);
  if (start->kind == GW_SESSION_SOCKET)
    begin_socket(session, start);
  else
    begin_http(session, start);
  return session;
}

static void leave(gw_session *session) {
  *session->link = session->next;
  if (session->next) session->next->link = session->link;
}

/* Requests that Redis or a judge has are answered without us; the others end here. */
static void orphan_requests(gw_session *session) {
  for (gw_request *request = session->queue, *next; request; request = next) {
    next = request->next_queued;
    gw_judge_forget(request);
  }
  session->queue = NULL;
  while (session->requests) gw_request_orphan(session->requests);
}

void gw_session_closed(gw_session *session) {
  const moonpool_allocator *allocator = gw_session_gateway(session)->allocator;
  gw_joins_end(session);
  orphan_requests(session);
  leave(session);
  gw_identity_free(&session->identity, allocator);
  mp_free(allocator, session->origin);
  mp_free(allocator, session);
}

void gw_session_text(gw_session *session, const char *text, size_t len) {
  gw_session_gateway(session)->stats.messages_in++;
  gw_protocol_take(session, text, len);
}

/* Members may fill the queue again. */
void gw_session_drained(gw_session *session) {
  for (gw_join *join = session->joins; join; join = join->next)
    if (join->member) gw_member_drained(join->member);
}

/* ---- what it is ------------------------------------------------------------------------------ */

gw_conn *gw_session_conn(const gw_session *session) {
  return session->conn;
}

gw_session_kind gw_session_kind_of(const gw_session *session) {
  return (gw_session_kind)session->kind;
}

moonpool_bytes gw_session_user(const gw_session *session) {
  if (session->is_known) return session->identity.user;
  return (moonpool_bytes){NULL, 0};
}

/* ---- what it is told alone ------------------------------------------------------------------- */

static gw_sent tell(gw_session *session, gw_room *room, const moonpool_room_event *event,
                    const moonpool_error *error) {
  const moonpool_allocator *allocator = gw_session_gateway(session)->allocator;
  unsigned whom = session->kind == GW_SESSION_SOCKET ? GW_OF_SOCKET : GW_OF_STREAM;
  char text[MOONPOOL_ID_SIZE];
  moonpool_bytes id = {text, 0};
  if (event->type == MOONPOOL_ROOM_MESSAGE) id.len = moonpool_id_format(&event->id, text);
  gw_chunk *chunk = NULL;
  mp_buf json;
  mp_buf_init(&json, allocator);
  gw_sent sent = GW_SENT;
  int is_put = gw_event_put(&json, event, error, (moonpool_bytes){room->head.data, room->head.len});
  if (is_put > 0 && gw_event_wrap(allocator, &chunk, whom, (moonpool_bytes){json.data, json.len},
                                  gw_event_name(event), id) == MOONPOOL_OK)
    sent = gw_conn_send(session->conn, chunk);
  else if (is_put)
    gw_conn_close(session->conn, GW_CLOSE_INTERNAL, "out of memory");
  gw_chunk_unref(allocator, chunk);
  mp_buf_free(&json);
  if (is_put > 0 && sent == GW_SENT) {
    gw_session_gateway(session)->stats.messages_out++;
    gw_session_gateway(session)->stats.gaps += event->type == MOONPOOL_ROOM_GAP;
  }
  return sent;
}

gw_sent gw_session_tell(gw_session *session, gw_room *room, const moonpool_room_event *event) {
  return tell(session, room, event, NULL);
}

void gw_session_tell_down(gw_session *session, gw_room *room, const moonpool_error *error) {
  moonpool_room_event event = {.type = MOONPOOL_ROOM_ERROR};
  tell(session, room, &event, error);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static uint64_t wall_clock_ms(void) {
  uv_timeval64_t now = {0};
  uv_gettimeofday(&now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

static void check(gw_session *session, uint64_t now, uint64_t wall) {
  uint64_t wait = gw_session_gateway(session)->options.auth_timeout;
  uint64_t expires = session->identity.expires_ms;
  if (!session->is_known && wait && session->kind == GW_SESSION_SOCKET &&
      now - session->since >= wait)
    gw_conn_close(session->conn, GW_CLOSE_AUTH, "it has not said who it is");
  else if (session->is_known && expires && wall >= expires && session->kind != GW_SESSION_POST)
    gw_conn_close(session->conn, GW_CLOSE_AUTH, "the token has expired");
}

void gw_sessions_check(moonpool_gateway *gateway) {
  uint64_t wall = wall_clock_ms();
  for (gw_session *session = gateway->rooms->sessions; session; session = session->next)
    check(session, uv_now(gateway->loop), wall);
}
