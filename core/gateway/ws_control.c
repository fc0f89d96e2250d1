/* Control frames: pings answered, closes returned; and the connection failed when what comes is
 * not RFC 6455. */
#include "conn_private.h"
#include "rate.h"
#include "utf8_stream.h"

int gw_ws_send_control(gw_conn *c, unsigned opcode, const char *data, size_t len) {
  char frame[2 + 125];
  size_t header = gw_frame_header(frame, opcode, len);
  if (len) memcpy(frame + header, data, len);
  return gw_queue_copy(c, frame, header + len);
}

int gw_ws_is_code(unsigned code) {
  if (code >= 3000) return code <= 4999; /* libraries', applications' */
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

/* What follows is not to be understood any more: nothing is read but the end. */
void gw_ws_fail(gw_conn *c, unsigned code, const char *reason) {
  c->is_deaf = 1;
  c->server->gateway->stats.protocol_errors++;
  if (c->phase == GW_PHASE_SOCKET) gw_conn_close(c, code, reason);
  gw_conn_linger(c);
}

static int is_valid_close(const char *data, size_t len) {
  gw_utf8 utf8;
  gw_utf8_init(&utf8);
  return len < 2 || (gw_utf8_feed(&utf8, data + 2, len - 2) && gw_utf8_is_complete(&utf8));
}

/* The peer closes: its code is sent back, unless ours went first (RFC 6455, 5.5.1). */
static void on_close(gw_conn *c, const char *data, size_t len) {
  unsigned code = len >= 2 ? (unsigned)(unsigned char)data[0] << 8 | (unsigned char)data[1] : 1005;
  if (len == 1 || (len >= 2 && !gw_ws_is_code(code))) {
    gw_ws_fail(c, GW_CLOSE_PROTOCOL, "a close code that nobody may send");
    return;
  }
  if (!is_valid_close(data, len)) {
    gw_ws_fail(c, GW_CLOSE_NOT_UTF8, "a close reason is not UTF-8");
    return;
  }
  if (c->phase == GW_PHASE_SOCKET) {
    c->close_code = (uint16_t)code;
    (void)gw_ws_send_control(c, GW_CLOSE, data, len < 2 ? 0 : 2);
  }
  c->is_deaf = 1;
  gw_conn_linger(c);
}

void gw_ws_on_control(gw_conn *c, unsigned opcode, const char *data, size_t len) {
  if (opcode == GW_CLOSE) {
    on_close(c, data, len);
    return;
  }
  if (!gw_rate_take(&c->ping_due, gw_server_now(c->server), gw_conn_options(c)->pings_per_second)) {
    gw_ws_fail(c, GW_CLOSE_POLICY, "too many pings");
    return;
  }
  if (opcode == GW_PING && c->phase == GW_PHASE_SOCKET && gw_ws_send_control(c, GW_PONG, data, len))
    gw_conn_close(c, GW_CLOSE_INTERNAL, "out of memory");
}
