/* The kinds of servers: how a socket gets into a room of theirs, and how a message is published.
 * A message looks alike on the wire of all of them; its text ends with '#' and its number. */
#include "load.h"

static char *body; /* a message's text without its number */

void room_name(char name[16], long room) {
  snprintf(name, 16, "fanout-%04ld", room % 10000);
}

/* Ids as a room's; the publishers that make none of their own send these. */
static int put_id(char *at, long n) {
  return sprintf(at, "%lld-%ld-%016llx", 1795365705683ll + n / 100, n + 1,
                 ((unsigned long long)n + 1) * 0x9e3779b97f4a7c15ull);
}

static char *put_said(char *at, long n) {
  return at + sprintf(at, "{\"user\":\"user%03ld\",\"text\":\"%s#%08ld\"}", n % 1000, body, n);
}

/* What moonpool's sockets are sent. */
static char *put_frame(char *at, long n, const char *room) {
  char id[64];
  put_id(id, n);
  at += sprintf(at, "{\"op\":\"message\",\"room\":\"%s\",\"id\":\"%s\",\"message\":", room, id);
  at = put_said(at, n);
  *at++ = '}';
  return at;
}

/* One bulk string of RESP. */
static char *put_bulk(char *at, const char *data, size_t len) {
  at += sprintf(at, "$%zu\r\n", len);
  memcpy(at, data, len);
  memcpy(at + len, "\r\n", 2);
  return at + len + 2;
}

static char *put_word(char *at, const char *word) {
  return put_bulk(at, word, strlen(word));
}

static char *scratch; /* of one message */

/* ---- moonpool ------------------------------------------------------------------------------- */

static void moonpool_greet(conn *c, int index, const char *room) {
  char words[128];
  snprintf(words, sizeof words, "{\"op\":\"hello\",\"user\":\"user%05d\",\"ref\":1}", index);
  conn_send_text(c, words);
  snprintf(words, sizeof words, "{\"op\":\"join\",\"room\":\"%s\",\"ref\":2}", room);
  conn_send_text(c, words);
}

static int has(text frame, const char *words) {
  return memmem(frame.data, frame.len, words, strlen(words)) != NULL;
}

static int moonpool_is_joined(text frame) {
  if (has(frame, "\"op\":\"error\"")) die(PROGRAM, "%.*s", (int)frame.len, frame.data);
  return has(frame, "\"op\":\"ok\"") && has(frame, "\"ref\":2");
}

/* As the library says a message: by its script, which stores and publishes it. */
static char *moonpool_publish(char *at, long n, const char *room) {
  static const char *const keys[] = {"log", "head", "config", "backlog"};
  char name[64];
  at += sprintf(at, "*16\r\n");
  at = put_word(put_word(at, "EVALSHA"), opt.script);
  at = put_word(at, "4");
  for (int i = 0; i < 4; i++) {
    snprintf(name, sizeof name, "{room:%s}:%s", room, keys[i]);
    at = put_word(at, name);
  }
  snprintf(name, sizeof name, "room:%s", room);
  at = put_word(put_word(put_word(put_word(at, name), ""), ""), "");
  at = put_word(put_word(at, "300000"), "-s");
  snprintf(name, sizeof name, "%016llx", ((unsigned long long)n + 1) * 0x9e3779b97f4a7c15ull);
  at = put_word(put_word(at, name), name);
  return put_bulk(at, scratch, (size_t)(put_said(scratch, n) - scratch));
}

/* ---- ws ------------------------------------------------------------------------------------- */

static char *ws_publish(char *at, long n, const char *room) {
  at = put_word(put_word(at + sprintf(at, "*3\r\n"), "PUBLISH"), room);
  return put_bulk(at, scratch, (size_t)(put_frame(scratch, n, room) - scratch));
}

/* ---- Socket.IO: Engine.IO protocol 4, Socket.IO protocol 5 ------------------------------------
 */

static void socketio_greet(conn *c, int index, const char *room) {
  (void)index, (void)room; /* it was in the path */
  conn_send_text(c, "40");
}

static int socketio_is_joined(text frame) {
  return frame.len > 2 && memcmp(frame.data, "40{", 3) == 0;
}

static const char *socketio_answer(text frame) {
  return frame.len == 1 && frame.data[0] == '2' ? "3" : NULL;
}

/* MessagePack (the adapter's encoding): a string, below 64 KB. */
static char *put_packed(char *at, const char *data, size_t len) {
  if (len < 32) {
    *at++ = (char)(0xa0 | len);
  } else {
    *at++ = (char)0xda;
    *at++ = (char)(len >> 8);
    *at++ = (char)len;
  }
  memcpy(at, data, len);
  return at + len;
}

static char *put_packed_word(char *at, const char *word) {
  return put_packed(at, word, strlen(word));
}

static char *put_byte(char *at, int byte) {
  *at = (char)byte;
  return at + 1;
}

static char *put_packed_message(char *at, long n, const char *room) {
  char words[64];
  at = put_packed_word(put_packed_word(put_byte(at, 0x83), "room"), room);
  put_id(words, n);
  at = put_packed_word(put_packed_word(at, "id"), words);
  at = put_byte(put_packed_word(at, "message"), 0x82);
  snprintf(words, sizeof words, "user%03ld", n % 1000);
  at = put_packed_word(put_packed_word(at, "user"), words);
  size_t len = (size_t)opt.text;
  char *said = malloc(len + 1);
  if (!said) die(PROGRAM, "out of memory");
  snprintf(said, len + 1, "%s#%08ld", body, n);
  at = put_packed(put_packed_word(at, "text"), said, len);
  free(said);
  return at;
}

/* As @socket.io/redis-emitter does: [who, packet, options] to the room's channel. */
static char *socketio_publish(char *at, long n, const char *room) {
  char channel[64];
  char *to = put_packed_word(put_byte(scratch, 0x93), "emitter");
  to = put_byte(put_packed_word(put_byte(to, 0x83), "type"), 2);
  to = put_packed_word(put_byte(put_packed_word(to, "data"), 0x92), "message");
  to = put_packed_message(to, n, room);
  to = put_packed_word(put_packed_word(to, "nsp"), "/");
  to = put_byte(put_packed_word(put_byte(to, 0x83), "rooms"), 0x91);
  to = put_byte(put_packed_word(put_packed_word(to, room), "except"), 0x90);
  to = put_byte(put_packed_word(to, "flags"), 0x80);
  snprintf(channel, sizeof channel, "socket.io#/#%s#", room);
  at = put_word(put_word(at + sprintf(at, "*3\r\n"), "PUBLISH"), channel);
  return put_bulk(at, scratch, (size_t)(to - scratch));
}

/* ---- nchan ---------------------------------------------------------------------------------- */

static char *nchan_publish(char *at, long n, const char *room) {
  int len = (int)(put_frame(scratch, n, room) - scratch);
  return at + sprintf(at,
                      "POST /pub/%s HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\n"
                      "Content-Length: %d\r\n\r\n%.*s",
                      room, len, len, scratch);
}

/* ---- the table ------------------------------------------------------------------------------ */

static const kind kinds[] = {
    {.name = "moonpool",
     .path = "/socket",
     .headers = "Sec-WebSocket-Protocol: moonpool.v1\r\n",
     .greet = moonpool_greet,
     .is_joined = moonpool_is_joined,
     .publish = moonpool_publish},
    {.name = "ws", .path = "/%s", .headers = "", .publish = ws_publish},
    {.name = "socketio",
     .path = "/socket.io/?EIO=4&transport=websocket&room=%s",
     .headers = "",
     .greet = socketio_greet,
     .is_joined = socketio_is_joined,
     .answer = socketio_answer,
     .publish = socketio_publish},
    {.name = "nchan",
     .path = "/sub/%s",
     .headers = "",
     .publish = nchan_publish,
     .is_published_by_http = 1},
};

const kind *kind_find(const char *name) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
  die(PROGRAM, "no such kind of server: %s", name);
}

void kinds_begin(void) {
  if (opt.text < NUMBER_BYTES + 1 || opt.text > 60000) die(PROGRAM, "text= from 9 to 60000 bytes");
  size_t len = (size_t)opt.text - NUMBER_BYTES - 1;
  body = malloc(len + 1);
  scratch = malloc((size_t)opt.text + 512);
  if (!body || !scratch) die(PROGRAM, "out of memory");
  for (size_t i = 0; i < len; i++) body[i] = PAYLOAD[i % 64];
  body[len] = '\0';
}
