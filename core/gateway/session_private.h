/* What the files of sessions share: session.c (its life), request.c (what is asked and answered),
 * authenticate.c, judge.c, join.c, say.c, query.c, room_list.c, stream.c and post.c. */
#ifndef GW_SESSION_PRIVATE_H
#define GW_SESSION_PRIVATE_H

#include "event_text.h"
#include "identity.h"
#include "json_text.h"
#include "rooms.h"
#include "session.h"

#include <jansson.h>

enum { GW_LAST_MAX = 1000 }; /* messages of the past that one may join with */

typedef struct gw_request gw_request;
typedef struct gw_join gw_join;

struct gw_session {
  gw_conn *conn;
  uint8_t kind;     /* gw_session_kind */
  uint8_t is_known; /* identity is who it is */
  uint8_t bad;      /* messages in a row that were no JSON objects */
  uint8_t is_full;  /* GW_FULL was answered */
  uint64_t since;   /* when it began, of the loop, ms */
  gw_identity identity;
  gw_session *next, **link; /* of the gateway's */
  gw_join *joins;
  unsigned join_count, request_count;
  gw_request *requests;           /* all that are not answered */
  gw_request *queue, **queue_end; /* those that wait for a verdict, the first is being judged */
  char *origin;                   /* for a judge; NULL: none */
};

/* A room that a session has joined, or is about to. */
struct gw_join {
  gw_session *session;
  gw_join *next;
  gw_room *room;
  gw_member *member;
  gw_request *request; /* that is to be answered; NULL: it was */
  uint8_t is_present;  /* a place of the user's is taken */
  uint64_t typing_due; /* of the loop, ms: before then nobody is told again */
};

typedef void (*gw_request_fn)(gw_request *request);

/* Something that a client has asked for. It ends by exactly one of gw_request_ok and
 * gw_request_fail, also when its session has gone. */
struct gw_request {
  gw_session *session; /* NULL: gone */
  gw_request *next, **link;
  gw_request *next_queued;
  moonpool_gateway *gateway;
  json_t *frame;       /* what was sent; NULL: nothing */
  gw_room *room;       /* held; NULL: none */
  gw_join *join;       /* of a join */
  gw_request_fn then;  /* after the verdict, or once it is known who asks */
  gw_request_fn after; /* AUTHENTICATE: `then` of who asked for that */
  uint8_t verb;        /* moonpool_gateway_verb, of the verdict */
  uint8_t is_judged;   /* a judge has it: the ticket is not answered yet */
  mp_buf out;          /* the answer's members, so far: ',"key":value' */
  char *text;          /* SAY: instead of what was asked for; NULL: that */
  size_t text_len;
};

/* ---- session.c ---- */

gw_conn *gw_session_conn(const gw_session *session);
gw_session_kind gw_session_kind_of(const gw_session *session);

static inline moonpool_gateway *gw_session_gateway(const gw_session *session) {
  return gw_conn_gateway(session->conn);
}

/* An event of a room's to this session alone. */
gw_sent gw_session_tell(gw_session *session, gw_room *room, const moonpool_room_event *event);

/* That a room's history cannot be read. */
void gw_session_tell_down(gw_session *session, gw_room *room, const moonpool_error *error);

/* Once a second: who has not said who he is, and whose token has expired. */
void gw_sessions_check(moonpool_gateway *gateway);

/* ---- request.c ---- */

/* Takes over `frame`. NULL without memory: then it is freed. */
gw_request *gw_request_new(gw_session *session, json_t *frame);

/* Answers and frees it. `message` NULL: the status's own text. */
void gw_request_ok(gw_request *request);
void gw_request_fail(gw_request *request, int status, const char *message);
void gw_request_fail_error(gw_request *request, const moonpool_error *error);

/* Frees it; it was answered in another way. */
void gw_request_drop(gw_request *request);

/* Its session has gone. */
void gw_request_orphan(gw_request *request);

/* A string member of the frame: data NULL when it is not there; -1 after having failed the request
 * when it is something else, else 0. */
int gw_request_string(gw_request *request, const char *key, moonpool_bytes *value);

/* Likewise a whole number from 0 to `most`. `otherwise` when it is not there. */
int gw_request_number(gw_request *request, const char *key, uint64_t most, uint64_t otherwise,
                      uint64_t *value);

/* Likewise an id. *is_given tells whether it is there. */
int gw_request_id(gw_request *request, const char *key, moonpool_id *id, int *is_given);

/* Holds the room that the frame names, if the session's user may enter it: 0, or -1 after having
 * failed the request. */
int gw_request_hold_room(gw_request *request);

/* One JSON object to a socket, as an answer. */
void gw_session_answer(gw_session *session, moonpool_bytes json);

/* ---- protocol.c ---- */

/* A message of a socket's. */
void gw_protocol_take(gw_session *session, const char *text, size_t len);

/* ---- authenticate.c ---- */

/* Finds out who it is, by what the frame says: calls request->then, or fails the request and, but
 * for a name that will not do, ends the session. */
void gw_authenticate(gw_request *request, moonpool_bytes token, moonpool_bytes user);

/* ---- judge.c ---- */

/* Calls `then` once the verdict of that verb is there and it is allowed; else the request fails.
 * Requests of one session are judged one after the other, in their order. */
void gw_judge(gw_request *request, moonpool_gateway_verb verb, gw_request_fn then);

/* Is there a request in front that waits for a verdict? Then this one must, too. */
int gw_judge_is_busy(const gw_session *session);
void gw_judge_wait(gw_request *request, gw_request_fn then);

/* A request that waits for its verdict has lost its session. */
void gw_judge_forget(gw_request *request);

/* ---- what is asked for ---- */

void gw_op_join(gw_request *request);
void gw_op_leave(gw_request *request);
void gw_op_typing(gw_request *request);
void gw_op_say(gw_request *request);
void gw_op_history(gw_request *request);
void gw_op_who(gw_request *request);
void gw_op_rooms(gw_request *request);

/* After the room is held and the verdict is there. */
void gw_say(gw_request *request);

/* join.c: ends all of a session's. */
void gw_joins_end(gw_session *session);

/* stream.c, post.c: the first and only request of such a session. */
void gw_stream_open(gw_request *request, const gw_session_start *start);
void gw_post_open(gw_request *request, const gw_session_start *start);

/* The status of HTTP for one of ours. */
unsigned gw_http_status(int status);

#endif
