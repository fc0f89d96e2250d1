/* Links the gateway until the files that define these are here; they take over as they come. */
#include "stand_in.h"

#include "mem.h"
#include "session.h"

#define WEAK __attribute__((weak))

struct gw_session {
  gw_conn *conn;
};

WEAK int gw_rooms_new(moonpool_gateway *gateway) {
  (void)gateway;
  return MOONPOOL_OK;
}
WEAK void gw_rooms_free(moonpool_gateway *gateway) {
  (void)gateway;
}

WEAK gw_session *gw_session_open(gw_conn *conn, const gw_session_start *start) {
  (void)start;
  gw_session *session = mp_alloc(gw_conn_gateway(conn)->allocator, sizeof *session);
  if (session) session->conn = conn;
  return session;
}
WEAK void gw_session_text(gw_session *session, const char *text, size_t len) {
  (void)session, (void)text, (void)len;
}
WEAK void gw_session_drained(gw_session *session) {
  (void)session;
}
WEAK void gw_session_closed(gw_session *session) {
  mp_free(gw_conn_gateway(session->conn)->allocator, session);
}
WEAK moonpool_bytes gw_session_user(const gw_session *session) {
  (void)session;
  return (moonpool_bytes){NULL, 0};
}
