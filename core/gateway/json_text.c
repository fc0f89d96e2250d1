#include "json_text.h"

#include "room_body.h"

#include <jansson.h>
#include <stdio.h>

int gw_json_bytes(mp_buf *out, moonpool_bytes text) {
  return mp_buf_append(out, text.data, text.len) == MOONPOOL_OK;
}

int gw_json_raw(mp_buf *out, const char *text) {
  return gw_json_bytes(out, (moonpool_bytes){text, strlen(text)});
}

int gw_json_string(mp_buf *out, moonpool_bytes text) {
  return mp_body_put_string(out, text);
}

int gw_json_number(mp_buf *out, int64_t number) {
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)number);
  return gw_json_raw(out, text);
}

int gw_json_id(mp_buf *out, const moonpool_id *id) {
  char text[MOONPOOL_ID_SIZE + 2];
  size_t len = moonpool_id_format(id, text + 1);
  text[0] = text[len + 1] = '"';
  return gw_json_bytes(out, (moonpool_bytes){text, len + 2});
}

int gw_json_key(mp_buf *out, const char *key) {
  return gw_json_raw(out, ",\"") && gw_json_raw(out, key) && gw_json_raw(out, "\":");
}

int gw_json_is_object(moonpool_bytes text) {
  if (text.len == 0 || text.data[0] != '{') return 0;
  json_t *value = json_loadb(text.data, text.len, 0, NULL);
  int is_one = json_is_object(value);
  json_decref(value);
  return is_one;
}
