/* Replies without a malloc each: hiredis's reader calls our object functions, which place every
 * reply in an arena that is used again for the next one. The reader owns its input buffer, the
 * mp_resp owns the arena; a reply borrows from the arena until the next mp_resp_next.
 *
 * Most of what comes does not even get there: a message (message.c), and a string, status or
 * integer that is a whole reply (plain.c), is taken apart in place if it lies whole in the bytes
 * read, and borrows from them. Everything else, and what was cut, is the reader's.
 *
 * hiredis moves the rest of its buffer down whenever 1,024 bytes were consumed (read.c,
 * redisReaderGetReply), so it is fed in slices: what it moves is then at most one slice. */
#include "resp.h"

#include "message.h"
#include "plain.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdio.h>
#include <stdlib.h>

#define SLICE 4096u           /* fed to the reader at once */
#define LINE_MAX_BYTES 65536u /* a header, status, error or number without its CRLF */
#define CHUNK 16384u          /* the arena's first block, kept between replies */
#define CHUNK_KEEP 65536u
#define LEFT_SLACK (1u << 20) /* what may be left unread beside one reply of the largest size */
#define LEFT_KEEP 65536u      /* of its memory, when all of it is taken */
#define DEPTH_MAX 128u        /* what walks a reply recursively must not exhaust the stack */
#define ELEMENTS_MAX (SIZE_MAX / 2) /* hiredis doubles what a map announces, and overflows */

#if HIREDIS_MAJOR >= 1
#define HAVE_RESP3 1
typedef size_t array_size;
#define CURRENT_TASK(reader) ((reader)->task[(reader)->ridx])
#else
#define HAVE_RESP3 0
typedef int array_size;
#define CURRENT_TASK(reader) (&(reader)->rstack[(reader)->ridx])
#endif

typedef struct chunk {
  struct chunk *next;
  size_t cap;
} chunk;

struct mp_resp {
  redisReader *reader;
  const moonpool_allocator *allocator;
  mp_resp_limits limits;
  const char *input; /* borrowed, not yet fed to the reader */
  size_t input_len;
  size_t fed;     /* bytes of this input that the reader was given */
  mp_buf left;    /* where the input lies when an earlier read was not taken to its end */
  size_t wanted;  /* unparsed bytes below which the reader cannot go on */
  char *at, *end; /* the arena's free room */
  chunk *chunks;  /* newest first; the last one is kept */
  size_t arena_bytes;
  char patched; /* the type of the reply under way that hiredis does not know; else 0 */
  mp_message_reply message_reply;
  moonpool_reply plain_reply;
  int status;
  char message[192];
};

/* ---- arena -------------------------------------------------------------------------------- */

static int fail(mp_resp *p, int status, const char *format, unsigned long long a,
                unsigned long long b) {
  if (p->status == MOONPOOL_OK) {
    p->status = status;
    snprintf(p->message, sizeof p->message, format, a, b);
  }
  return status;
}

static void *arena_grow(mp_resp *p, size_t size) {
  size_t cap = size > CHUNK ? size : CHUNK;
  if (p->limits.bytes && p->arena_bytes + cap > p->limits.bytes + CHUNK_KEEP) {
    fail(p, MOONPOOL_EPROTO, "a reply takes more than the limit of %llu bytes", p->limits.bytes, 0);
    return NULL;
  }
  chunk *c = mp_alloc(p->allocator, sizeof(chunk) + cap);
  if (!c) {
    fail(p, MOONPOOL_ENOMEM, "no memory for a reply of %llu bytes", p->arena_bytes + cap, 0);
    return NULL;
  }
  c->cap = cap;
  c->next = p->chunks;
  p->chunks = c;
  p->arena_bytes += cap;
  p->at = (char *)(c + 1) + size;
  p->end = (char *)(c + 1) + cap;
  return c + 1;
}

static inline void *arena_alloc(mp_resp *p, size_t size) {
  size = (size + 7) & ~(size_t)7;
  if (size > (size_t)(p->end - p->at)) return arena_grow(p, size);
  void *block = p->at;
  p->at += size;
  return block;
}

/* Frees all blocks but the first, and that one too when it is large or `all` is set. */
static void arena_reset(mp_resp *p, int all) {
  while (p->chunks && (all || p->chunks->next || p->chunks->cap > CHUNK_KEEP)) {
    chunk *c = p->chunks;
    p->chunks = c->next;
    mp_free(p->allocator, c);
  }
  p->arena_bytes = p->chunks ? p->chunks->cap : 0;
  p->at = p->chunks ? (char *)(p->chunks + 1) : NULL;
  p->end = p->at ? p->at + p->chunks->cap : NULL;
}

/* ---- hiredis's object functions ------------------------------------------------------------ */

static moonpool_reply *add_node(const redisReadTask *task, size_t extra) {
  mp_resp *p = task->privdata;
  moonpool_reply *node = arena_alloc(p, sizeof *node + extra);
  if (!node) return NULL;
  node->next = NULL;
  node->type = (uint8_t)task->type;
  node->depth = 0;
  if (task->parent) {
    moonpool_reply *parent = task->parent->obj;
    node->depth = (uint8_t)(parent->depth + 1);
    if (parent->u.list.last)
      parent->u.list.last->next = node;
    else
      parent->u.list.first = node;
    parent->u.list.last = node;
  }
  return node;
}

static void *create_string(const redisReadTask *task, char *str, size_t len) {
  mp_resp *p = task->privdata;
  int is_bulk = task->type == MOONPOOL_STRING || task->type == MOONPOOL_VERB;
  if (is_bulk && (str[len] != '\r' || str[len + 1] != '\n')) { /* hiredis does not look */
    fail(p, MOONPOOL_EPROTO, "a bulk string of %llu bytes does not end with CRLF", len, 0);
    return NULL;
  }
  moonpool_reply *node = add_node(task, len + 1);
  if (!node) return NULL;
  char *copy = (char *)(node + 1);
  memcpy(copy, str, len);
  copy[len] = '\0';
  node->u.string.data = copy;
  node->u.string.len = len;
  return node;
}

static void *create_array(const redisReadTask *task, array_size elements) {
  mp_resp *p = task->privdata;
  if ((size_t)elements > p->limits.elements) {
    fail(p, MOONPOOL_EPROTO, "an array of %llu elements is over the limit of %llu", elements,
         p->limits.elements);
    return NULL;
  }
  moonpool_reply *node = add_node(task, 0);
  if (!node) return NULL;
  node->u.list.first = node->u.list.last = NULL;
  node->u.list.count = (size_t)elements;
  if (node->depth + 1u > p->limits.depth) {
    fail(p, MOONPOOL_EPROTO, "a reply is nested deeper than %llu levels", p->limits.depth, 0);
    return NULL;
  }
  return node;
}

static void *create_integer(const redisReadTask *task, long long value) {
  moonpool_reply *node = add_node(task, 0);
  if (node) node->u.integer = value;
  return node;
}

static void *create_nil(const redisReadTask *task) {
  moonpool_reply *node = add_node(task, 0);
  if (node) node->type = MOONPOOL_NIL; /* the task's type is that of "$-1" or "*-1" */
  return node;
}

#if HAVE_RESP3
static void *create_double(const redisReadTask *task, double value, char *str, size_t len) {
  (void)str, (void)len;
  moonpool_reply *node = add_node(task, 0);
  if (node) node->u.number = value;
  return node;
}

static void *create_bool(const redisReadTask *task, int value) {
  moonpool_reply *node = add_node(task, 0);
  if (node) node->u.integer = value != 0;
  return node;
}
#endif

static void free_object(void *object) {
  (void)object; /* it lies in the arena */
}

static redisReplyObjectFunctions object_functions = {.createString = create_string,
                                                     .createArray = create_array,
                                                     .createInteger = create_integer,
#if HAVE_RESP3
                                                     .createDouble = create_double,
                                                     .createBool = create_bool,
#endif
                                                     .createNil = create_nil,
                                                     .freeObject = free_object};

/* ---- parsing ------------------------------------------------------------------------------- */

mp_resp *mp_resp_new(const moonpool_allocator *allocator, const mp_resp_limits *limits) {
  mp_resp *p = mp_calloc(allocator, sizeof *p);
  if (!p) return NULL;
  p->allocator = allocator;
  mp_buf_init(&p->left, allocator);
  p->limits = *limits;
  if (p->limits.depth == 0 || p->limits.depth > DEPTH_MAX) p->limits.depth = DEPTH_MAX;
  if (p->limits.elements == 0) p->limits.elements = ELEMENTS_MAX;
  p->reader = redisReaderCreateWithFunctions(&object_functions);
  if (!p->reader || !arena_grow(p, 0)) { /* small replies need no memory later */
    mp_resp_free(p);
    return NULL;
  }
#if HAVE_RESP3
  p->reader->maxelements = 0; /* ours is checked in create_array */
#endif
  p->reader->privdata = p;
  mp_message_init(&p->message_reply, HAVE_RESP3);
  return p;
}

void mp_resp_free(mp_resp *p) {
  if (!p) return;
  if (p->reader) redisReaderFree(p->reader);
  arena_reset(p, 1);
  mp_buf_free(&p->left);
  mp_free(p->allocator, p);
}

/* What was left lies at the end of its buffer, and more comes behind it. What was taken is moved
 * out once it is the larger part: so each byte is moved twice at most. */
static void append_to_left(mp_resp *p, const char *data, size_t len) {
  mp_buf *left = &p->left;
  size_t taken = left->len - p->input_len;
  if (taken > p->input_len) {
    memmove(left->data, p->input, p->input_len);
    left->len = p->input_len;
    taken = 0;
  }
  if (mp_buf_append(left, data, len) == MOONPOOL_OK)
    p->input_len += len;
  else
    fail(p, MOONPOOL_ENOMEM, "no memory for %llu bytes read", len, 0);
  p->input = left->data + taken;
}

void mp_resp_feed(mp_resp *p, const char *data, size_t len) {
  p->fed = 0;
  if (p->input_len > 0) {
    append_to_left(p, data, len);
    return;
  }
  if (p->left.len > 0) mp_buf_clear(&p->left, LEFT_KEEP);
  p->input = data;
  p->input_len = len;
}

/* The length in a bulk string's header that lies complete in the reader's buffer, else -1. hiredis
 * waits for the whole string before it looks at the length again; we refuse an excessive one now.
 */
static long long pending_bulk(const redisReader *r, size_t *header) {
  const redisReadTask *task = CURRENT_TASK(r);
  if (task->type != MOONPOOL_STRING && task->type != MOONPOOL_VERB) return -1;
  const char *text = r->buf + r->pos, *end = memchr(text, '\r', r->len - r->pos);
  if (!end || end[1] != '\n') return -1; /* the buffer is terminated */
  *header = (size_t)(end - text) + 2;
  return strtoll(text, NULL, 10);
}

/* The reader stopped inside a reply: is what it waits for within the limits? */
static int check_partial(mp_resp *p) {
  const redisReader *r = p->reader;
  size_t unparsed = r->len - r->pos, header = 0;
  p->wanted = 0;
  if (r->ridx < 0 || unparsed == 0) return 0;
  long long bulk = pending_bulk(r, &header);
  if (bulk < 0) {
    if (unparsed <= LINE_MAX_BYTES) return 0;
    return fail(p, MOONPOOL_EPROTO, "a line is longer than %llu bytes", LINE_MAX_BYTES, 0);
  }
  if (p->limits.bytes && (unsigned long long)bulk > p->limits.bytes)
    return fail(p, MOONPOOL_EPROTO, "a bulk string of %llu bytes is over the limit of %llu",
                (unsigned long long)bulk, p->limits.bytes);
  p->wanted = header + (size_t)bulk + 2;
  return 0;
}

/* Hands the reader the next slice: as much as the bulk string under way still lacks, else little.
 */
static int feed_slice(mp_resp *p) {
  redisReader *r = p->reader;
  size_t have = r->len - r->pos, size = SLICE;
  if (p->wanted > have && p->wanted - have > size) size = p->wanted - have;
  if (size > p->input_len) size = p->input_len;
  if (redisReaderFeed(r, p->input, size) != REDIS_OK)
    return fail(p, MOONPOOL_ENOMEM, "no memory for %llu bytes read", size, 0);
  p->input += size;
  p->input_len -= size;
  p->fed += size;
  return 0;
}

/* Takes back from the reader what it has not looked at yet, if it could be taken apart in place. */
static void unfeed(mp_resp *p) {
  redisReader *r = p->reader;
  const char *at = r->buf + r->pos;
  size_t rest = r->len - r->pos;
  if (rest > p->fed || !(mp_plain_begins(*at) || mp_message_begins(at, rest))) return;
  p->input -= rest;
  p->input_len += rest;
  p->fed -= rest;
  r->pos = r->len;
}

/* A message or a plain reply that lies whole in the input. */
static const moonpool_reply *take_whole(mp_resp *p) {
  const char *at = p->input, *input_end = at + p->input_len;
  int is_plain = mp_plain_begins(*at);
  const char *end = is_plain ? mp_plain_parse(&p->plain_reply, at, input_end)
                             : mp_message_parse(&p->message_reply, at, input_end);
  if (!end) return NULL;
  if (p->limits.bytes && (size_t)(end - p->input) > p->limits.bytes)
    return NULL; /* the reader's to refuse */
  p->input_len -= (size_t)(end - p->input);
  p->input = end;
  return is_plain ? &p->plain_reply : &p->message_reply.nodes[0];
}

static int reader_failed(mp_resp *p) {
  if (p->status == MOONPOOL_OK) {
    p->status = p->reader->err == REDIS_ERR_OOM ? MOONPOOL_ENOMEM : MOONPOOL_EPROTO;
    snprintf(p->message, sizeof p->message, "%s", p->reader->errstr);
  }
  return p->status;
}

static void reuse_arena(mp_resp *p) {
  if (p->chunks && !p->chunks->next && p->chunks->cap <= CHUNK_KEEP)
    p->at = (char *)(p->chunks + 1);
  else
    arena_reset(p, 0);
}

/* Two types of RESP3 hiredis refuses: an attribute, a map that comes before the reply that it is
 * about, and an error of any length. They are given to it as what they look like. Inside another
 * reply they stay refused; Redis sends neither there. */
static void begin_reply(mp_resp *p) {
  redisReader *r = p->reader;
  if (!HAVE_RESP3 || r->ridx >= 0 || r->len == r->pos) return;
  char type = r->buf[r->pos];
  if (type != '|' && type != '!') return;
  r->buf[r->pos] = type == '|' ? '%' : '$';
  p->patched = type;
}

/* The reply is whole: 0 when it is an attribute, which is dropped. */
static int end_reply(mp_resp *p, moonpool_reply *reply) {
  char type = p->patched;
  p->wanted = 0;
  p->patched = 0;
  if (type == '!' && reply->type == MOONPOOL_STRING) reply->type = MOONPOOL_ERROR;
  return type != '|';
}

int mp_resp_next(mp_resp *p, const moonpool_reply **reply) {
  if (p->status != MOONPOOL_OK) return p->status;
  redisReader *r = p->reader;
  int is_empty = r->len == r->pos && r->ridx < 0;
  if (is_empty && p->input_len > 0 && (*reply = take_whole(p))) return 1;
  if (r->ridx < 0) reuse_arena(p); /* else the first half of a reply is in it */
  for (;;) {
    if (!is_empty) {
      void *object = NULL;
      begin_reply(p);
      if (redisReaderGetReply(r, &object) != REDIS_OK) return reader_failed(p);
      if (object) {
        if (!end_reply(p, object)) {
          is_empty = r->len == r->pos;
          continue;
        }
        if (r->len > r->pos) unfeed(p);
        *reply = object;
        return 1;
      }
      int status = check_partial(p);
      if (status != 0) return status;
    }
    if (p->input_len == 0) return 0;
    int status = feed_slice(p);
    if (status != 0) return status;
    is_empty = 0;
  }
}

static int is_left(const mp_resp *p) {
  return p->left.len > 0 && p->input >= p->left.data && p->input <= p->left.data + p->left.len;
}

/* It is kept as it is, to be taken apart in place later, even behind a reply whose first half the
 * reader has. */
static int keep_input(mp_resp *p) {
  mp_buf_clear(&p->left, LEFT_KEEP);
  if (mp_buf_append(&p->left, p->input, p->input_len) != MOONPOOL_OK) return 0;
  p->input = p->left.data;
  return 1;
}

int mp_resp_is_lent(const mp_resp *p) {
  return p->input_len > 0 && !is_left(p);
}

int mp_resp_keep(mp_resp *p) {
  if (p->status != MOONPOOL_OK) return p->status;
  p->fed = 0; /* nothing to take back any more */
  if (p->input_len == 0) return 0;
  size_t left = p->reader->len - p->reader->pos + p->input_len;
  if (p->limits.bytes && left > p->limits.bytes + LEFT_SLACK)
    return fail(p, MOONPOOL_EPROTO,
                "%llu bytes of replies were left unread, over the limit of %llu", left,
                p->limits.bytes);
  if (mp_resp_is_lent(p) && !keep_input(p))
    return fail(p, MOONPOOL_ENOMEM, "no memory for %llu bytes read", p->input_len, 0);
  return 0;
}

const char *mp_resp_message(const mp_resp *p) {
  return p->message;
}

int mp_resp_version(void) {
  return HAVE_RESP3 ? 3 : 2;
}

#define TEXT_OF(x) #x
#define VERSION_TEXT(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)
const char *mp_resp_hiredis_version(void) {
  return VERSION_TEXT(HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
}
