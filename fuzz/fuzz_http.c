/* Requests: the first byte is the size of the pieces in which the rest is sent. */
#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  if (len < 2) return 0;
  harness_open();
  harness_send_pieces(data + 1, len - 1, data[0]);
  harness_close();
  if (fuzz.out.len && (fuzz.out.len < 9 || memcmp(fuzz.out.data, "HTTP/1.1 ", 9) != 0))
    fail("what was answered is no response");
  return 0;
}
