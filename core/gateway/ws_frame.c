#include "ws_frame.h"

enum { FIN = 0x80, LENGTH_16 = 126, LENGTH_64 = 127 };

size_t gw_frame_header(char header[GW_FRAME_MAX_HEADER], unsigned opcode, uint64_t len) {
  header[0] = (char)(FIN | opcode);
  if (len < LENGTH_16) {
    header[1] = (char)len;
    return 2;
  }
  int bytes = len <= UINT16_MAX ? 2 : 8;
  header[1] = bytes == 2 ? LENGTH_16 : LENGTH_64;
  for (int i = 0; i < bytes; i++) header[2 + i] = (char)(len >> 8 * (bytes - 1 - i));
  return (size_t)(2 + bytes);
}
