/* URLs that are refused, and what is left of one then. */
#ifndef MP_URL_FIXTURE_H
#define MP_URL_FIXTURE_H

#include "test.h"
#include "url.h"

static inline int is_zero(const mp_url *url) {
  static const mp_url zero;
  return !memcmp(url, &zero, sizeof zero);
}

/* With that part in the message, and without the password "hunter2". */
static inline void check_refused(const char *text, int status, const char *part) {
  test_heap heap;
  mp_url url;
  char message[200] = "";
  test_heap_init(&heap, 0);
  int before = test_failures;
  CHECK_INT(mp_url_parse(&url, &heap.allocator, text, message, sizeof message), status);
  CHECK(strstr(message, part));
  CHECK(!strstr(message, "hunter2"));
  CHECK(is_zero(&url));
  CHECK_INT(heap.blocks, 0);
  if (test_failures > before) printf("  in %s: %s\n", text, message);
}

#endif
