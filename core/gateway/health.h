/* What operators look at. */
#ifndef GW_HEALTH_H
#define GW_HEALTH_H

#include "conn.h"

void gw_serve_healthz(gw_conn *conn);
void gw_serve_readyz(gw_conn *conn);
void gw_serve_metrics(gw_conn *conn);

#endif
