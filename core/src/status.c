/* Names and texts of the statuses, all from the one table in moonpool.h. */
#include <moonpool.h>

const char *moonpool_status_name(int status) {
  switch (status) {
  case MOONPOOL_OK: return "OK";
#define X(name, number, text)                                                                      \
  case number: return #name;
    MOONPOOL_STATUS_MAP(X)
#undef X
  }
  return "EUNKNOWN";
}

const char *moonpool_status_text(int status) {
  switch (status) {
  case MOONPOOL_OK: return "no error";
#define X(name, number, text)                                                                      \
  case number: return text;
    MOONPOOL_STATUS_MAP(X)
#undef X
  }
  return "unknown status";
}
