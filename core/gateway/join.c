/* Joining a room: its verdict, a place among those who are there, then a place in what is said. */
#include "session_private.h"

#include <stdio.h>

/* ---- a session's rooms ----------------------------------------------------------------------- */

static gw_join *find(const gw_session *session, const gw_room *room) {
  gw_join *join = session->joins;
  while (join && join->room != room) join = join->next;
  return join;
}

static void on_parted(const moonpool_error *error, void *ctx) {
  (void)error, (void)ctx; /* its lease does the rest */
}

static void part(gw_join *join) {
  if (!join->is_present) return;
  join->is_present = 0;
  moonpool_room_part(gw_room_handle(join->room), join->session->identity.user, 0, on_parted, NULL);
}

/* A request that waits for the member's place ends with it, after this; one that Redis has ends
 * with Redis's answer. */
static void end_join(gw_join *join) {
  gw_session *session = join->session;
  gw_request *request = join->request;
  gw_join **at = &session->joins;
  while (*at != join) at = &(*at)->next;
  *at = join->next;
  session->join_count--;
  part(join);
  int is_waiting = request && join->member;
  if (request) request->join = NULL;
  gw_member_remove(join->member);
  mp_free(gw_session_gateway(session)->allocator, join);
  if (is_waiting) gw_request_fail(request, MOONPOOL_ECLOSED, "it was left again");
}

void gw_joins_end(gw_session *session) {
  while (session->joins) end_join(session->joins);
}

static gw_join *add_join(gw_request *request) {
  gw_session *session = request->session;
  gw_join *join = mp_calloc(request->gateway->allocator, sizeof *join);
  if (!join) return NULL;
  join->session = session;
  join->room = request->room;
  join->request = request;
  join->next = session->joins;
  session->joins = join;
  session->join_count++;
  request->join = join;
  return join;
}

/* After its join, if that is still there. */
static void fail_join(gw_request *request, int status, const char *message) {
  gw_join *join = request->join;
  if (join) {
    join->request = NULL;
    request->join = NULL;
    end_join(join);
  }
  gw_request_fail(request, status, message);
}

/* ---- a place in what is said ----------------------------------------------------------------- */

/* For a stream the answer is its beginning. */
static void begin_stream(gw_request *request, const moonpool_id *position) {
  gw_session *session = request->session;
  gw_conn *conn = session->conn;
  const moonpool_allocator *allocator = request->gateway->allocator;
  gw_conn_begin_stream(conn);
  mp_buf json;
  mp_buf_init(&json, allocator);
  gw_chunk *chunk = NULL;
  char text[MOONPOOL_ID_SIZE] = "";
  moonpool_bytes id = {text, position ? moonpool_id_format(position, text) : 0};
  int is_put = gw_json_raw(&json, "{\"op\":\"ok\"") && gw_json_key(&json, "room") &&
               gw_json_string(&json, gw_room_name(request->room)) &&
               (!position || (gw_json_key(&json, "position") && gw_json_id(&json, position))) &&
               gw_json_raw(&json, "}");
  if (is_put && gw_event_wrap(allocator, &chunk, GW_OF_STREAM,
                              (moonpool_bytes){json.data, json.len}, "ok", id) == MOONPOOL_OK)
    gw_conn_send_answer(conn, chunk);
  else
    gw_conn_close(conn, GW_CLOSE_INTERNAL, "out of memory");
  gw_chunk_unref(allocator, chunk);
  mp_buf_free(&json);
  gw_request_drop(request);
}

static void answer_placed(gw_request *request, const moonpool_id *position) {
  if (request->session->kind == GW_SESSION_STREAM)
    begin_stream(request, position);
  else if (!position ||
           (gw_json_key(&request->out, "position") && gw_json_id(&request->out, position)))
    gw_request_ok(request);
  else
    fail_join(request, MOONPOOL_ENOMEM, NULL);
}

static void on_placed(gw_member *member, const moonpool_id *position, const moonpool_error *error,
                      void *ctx) {
  gw_request *request = ctx;
  gw_join *join = request->join;
  moonpool_id since;
  int is_given = 0;
  (void)member;
  if (error) {
    fail_join(request, error->status, error->message);
    return;
  }
  if (!position && gw_request_id(request, "since", &since, &is_given)) return; /* was checked */
  if (is_given) position = &since;
  join->request = NULL;
  request->join = NULL;
  answer_placed(request, position);
}

/* Where it wants to begin. 0, or -1 after having failed the request. */
static int read_start(gw_request *request, moonpool_start *start) {
  int is_since;
  uint64_t last;
  *start = (moonpool_start){.kind = MOONPOOL_START_END};
  if (gw_request_id(request, "since", &start->after, &is_since) ||
      gw_request_number(request, "last", GW_LAST_MAX, 0, &last))
    return -1;
  start->last = (size_t)last;
  if (is_since)
    start->kind = MOONPOOL_START_AFTER;
  else if (last)
    start->kind = MOONPOOL_START_LAST;
  return 0;
}

static void take_place(gw_request *request) {
  moonpool_start start;
  gw_join *join = request->join;
  if (read_start(request, &start)) return; /* was checked before */
  join->member = gw_member_add(join->session, request->room, &start, on_placed, request);
  if (!join->member) fail_join(request, MOONPOOL_ENOMEM, NULL);
}

/* ---- a place among those who are there ------------------------------------------------------- */

/* Has the client gone, or left again, since Redis was asked? */
static int is_over(gw_request *request, const moonpool_error *error) {
  if (request->session && request->join && !error) return 0;
  if (error)
    fail_join(request, error->status, error->message);
  else
    fail_join(request, MOONPOOL_ECLOSED, "it was left again");
  return 1;
}

static void on_count(uint64_t count, const moonpool_error *error, void *ctx) {
  gw_request *request = ctx;
  if (is_over(request, error)) return;
  if (gw_json_key(&request->out, "count") && gw_json_number(&request->out, (int64_t)count))
    take_place(request);
  else
    fail_join(request, MOONPOOL_ENOMEM, NULL);
}

static void on_present(const moonpool_error *error, void *ctx) {
  gw_request *request = ctx;
  if (error && request->join) request->join->is_present = 0;
  if (is_over(request, error)) return;
  int status = moonpool_room_count(gw_room_handle(request->room),
                                   request->gateway->options.query_timeout, on_count, request);
  if (status) fail_join(request, status, NULL);
}

static void be_present(gw_request *request) {
  int status = moonpool_room_join(gw_room_handle(request->room), request->session->identity.user,
                                  request->gateway->options.query_timeout, on_present, request);
  if (status)
    fail_join(request, status, NULL);
  else
    request->join->is_present = 1;
}

static void allowed(gw_request *request) {
  if (!add_join(request))
    gw_request_fail(request, MOONPOOL_ENOMEM, NULL);
  else if (request->session->kind == GW_SESSION_SOCKET)
    be_present(request);
  else
    take_place(request);
}

void gw_op_join(gw_request *request) {
  moonpool_start start;
  gw_session *session = request->session;
  size_t most = request->gateway->options.max_rooms;
  if (gw_request_hold_room(request) || read_start(request, &start)) return;
  if (find(session, request->room))
    gw_request_fail(request, MOONPOOL_EARG, "this room was joined already");
  else if (most && session->join_count >= most)
    gw_request_fail(request, MOONPOOL_EQUEUE, "no more rooms can be joined");
  else
    gw_judge(request, MOONPOOL_GATEWAY_JOIN, allowed);
}

/* ---- leaving, typing ------------------------------------------------------------------------- */

/* The join of the room that the frame names, or NULL after having failed the request. */
static gw_join *joined(gw_request *request) {
  if (gw_request_hold_room(request)) return NULL;
  gw_join *join = find(request->session, request->room);
  if (!join) gw_request_fail(request, MOONPOOL_EARG, "this room was not joined");
  return join;
}

void gw_op_leave(gw_request *request) {
  gw_join *join = joined(request);
  if (!join) return;
  end_join(join);
  gw_request_ok(request);
}

static void on_told(const moonpool_error *error, void *ctx) {
  if (error)
    gw_request_fail_error(ctx, error);
  else
    gw_request_ok(ctx);
}

void gw_op_typing(gw_request *request) {
  gw_join *join = joined(request);
  if (!join) return;
  uint64_t now = uv_now(request->gateway->loop);
  if (now < join->typing_due) {
    gw_request_ok(request); /* it was told just now */
    return;
  }
  join->typing_due = now + request->gateway->options.typing;
  moonpool_message message = {.type = {"typing", 6}, .user = request->session->identity.user};
  int status = moonpool_room_signal(gw_room_handle(request->room), &message,
                                    request->gateway->options.query_timeout, on_told, request);
  if (status) gw_request_fail(request, status, NULL);
}
