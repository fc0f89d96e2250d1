/* The protocol of a session: each line is a text message. Behind them a ping, which is answered
 * unless one of them has ended the socket: then Redis has answered what came before it, too. */
#include "harness.h"

static int is_over(void) {
  if (mp_buf_append(&fuzz.out, "", 1)) abort();
  fuzz.out.len--;
  return memmem(fuzz.out.data, fuzz.out.len, "last-of-all", 11) != NULL ||
         memchr(fuzz.out.data, 0x88, fuzz.out.len) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static const char last[] = "{\"op\":\"ping\",\"ref\":\"last-of-all\"}";
  const uint8_t *end = data + len;
  if (len > 8192) return 0;
  size_t frames = harness_upgrade();
  while (data < end) {
    const uint8_t *line = memchr(data, '\n', (size_t)(end - data));
    size_t part = (size_t)((line ? line : end) - data);
    harness_frame(0x81, data, part);
    data += part + 1;
  }
  harness_frame(0x81, last, sizeof last - 1);
  for (int i = 0; i < 200 && !is_over(); i++) harness_turn();
  harness_close();
  harness_check_frames(frames);
  return 0;
}
