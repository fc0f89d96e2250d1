/* Outgoing WebSocket frames (RFC 6455, 5.2): a server's are not masked. */
#ifndef GW_WS_FRAME_H
#define GW_WS_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum { GW_FRAME_MAX_HEADER = 10 };
enum { GW_TEXT = 1, GW_BINARY = 2, GW_CLOSE = 8, GW_PING = 9, GW_PONG = 10 };

/* Writes the header of a whole message's one frame; returns its length, 2 to 10. */
size_t gw_frame_header(char header[GW_FRAME_MAX_HEADER], unsigned opcode, uint64_t len);

#endif
