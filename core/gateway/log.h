/* The log: a line for each request and for each WebSocket that ends, as JSON fields. */
#ifndef GW_LOG_H
#define GW_LOG_H

#include "conn_private.h"

/* The present request is answered with so many bytes of content. */
void gw_log_access(const gw_conn *conn, unsigned status, size_t bytes);

/* A WebSocket or an event stream ends. */
void gw_log_close(const gw_conn *conn);

#endif
