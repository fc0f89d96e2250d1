/* /healthz: the process answers. /readyz: it should get clients. */
#include "health.h"

#include <stdio.h>

#include "http.h"

static void answer(gw_conn *c, unsigned status, const char *text) {
  gw_http_respond(c, &(gw_response){.status = status,
                                    .type = "text/plain; charset=utf-8",
                                    .fields = "Cache-Control: no-store\r\n",
                                    .body = {text, strlen(text)}});
}

void gw_serve_healthz(gw_conn *c) {
  answer(c, 200, "ok\n");
}

void gw_serve_readyz(gw_conn *c) {
  const moonpool_gateway *g = c->server->gateway;
  if (g->is_draining)
    answer(c, 503, "draining\n");
  else if (moonpool_get_state(g->client) != MOONPOOL_READY)
    answer(c, 503, "no link to Redis\n");
  else
    answer(c, 200, "ready\n");
}
