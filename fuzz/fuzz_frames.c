/* Bytes behind the opening handshake: the first byte is the size of the pieces in which the rest is
 * sent. */
#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  if (len < 2) return 0;
  size_t frames = harness_upgrade();
  harness_send_pieces(data + 1, len - 1, data[0]);
  harness_close();
  harness_check_frames(frames);
  return 0;
}
