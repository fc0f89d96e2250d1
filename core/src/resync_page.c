/* What a read of the history has brought, taken out of Redis's reply: it is looked at where it
 * lies, and copied once it is known what of it is to be delivered. */
#include "feed_private.h"

static int is_string(const moonpool_reply *reply) {
  return reply && reply->type == MOONPOOL_STRING;
}

static int is_list(const moonpool_reply *reply) {
  return reply && reply->type == MOONPOOL_ARRAY;
}

/* ---- entries --------------------------------------------------------------------------------- */

/* "<ms>-<seq>" */
static int read_stream_id(moonpool_bytes text, moonpool_id *id) {
  char whole[MOONPOOL_ID_SIZE];
  static const char tail[] = "-0000000000000000";
  if (text.len + sizeof tail > sizeof whole) return 0;
  memcpy(whole, text.data, text.len);
  memcpy(whole + text.len, tail, sizeof tail - 1);
  moonpool_bytes full = {whole, text.len + sizeof tail - 1};
  return moonpool_id_parse(full, id) == MOONPOOL_OK;
}

static int read_tag(moonpool_bytes text, uint64_t *tag) {
  char whole[MOONPOOL_ID_SIZE] = "0-0-";
  moonpool_id id;
  if (text.len != 16) return 0;
  memcpy(whole + 4, text.data, text.len);
  if (moonpool_id_parse((moonpool_bytes){whole, 20}, &id) != MOONPOOL_OK) return 0;
  *tag = id.tag;
  return 1;
}

static int is_field(const moonpool_reply *name, char letter) {
  return is_string(name) && name->u.string.len == 1 && name->u.string.data[0] == letter;
}

int mp_history_entry(const moonpool_reply *entry, moonpool_id *id, moonpool_bytes *body) {
  *body = (moonpool_bytes){NULL, 0};
  if (!is_list(entry) || entry->u.list.count < 2) return 0;
  const moonpool_reply *key = entry->u.list.first, *fields = key->next;
  if (!is_string(key) || !read_stream_id(key->u.string, id)) return 0;
  if (!is_list(fields)) return 1; /* deleted while it was read, in old servers */
  for (const moonpool_reply *name = fields->u.list.first; name && name->next;
       name = name->next->next) {
    if (is_field(name, 't') && is_string(name->next)) read_tag(name->next->u.string, &id->tag);
    if (is_field(name, 'm') && is_string(name->next)) *body = name->next->u.string;
  }
  return 1;
}

/* ---- the reply ------------------------------------------------------------------------------- */

/* FNV-1a, never 0. */
static uint64_t hash_of(moonpool_bytes text) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < text.len; i++)
    hash = (hash ^ (unsigned char)text.data[i]) * 1099511628211u;
  return hash ? hash : 1;
}

/* "stream 1000 0 <birth>" */
static void read_config(mp_history *history, moonpool_bytes config) {
  const char *at = config.data, *end = at + config.len, *space = memchr(at, ' ', config.len);
  size_t len = (size_t)((space ? space : end) - at);
  if (len == 6 && !memcmp(at, "stream", 6)) history->kind = MOONPOOL_HISTORY_STREAM;
  if (len == 4 && !memcmp(at, "list", 4)) history->kind = MOONPOOL_HISTORY_LIST;
  if (len == 6 && !memcmp(at, "sorted", 6)) history->kind = MOONPOOL_HISTORY_SORTED;
  for (int i = 0; i < 2 && space; i++) space = memchr(space + 1, ' ', (size_t)(end - space) - 1);
  if (space) read_tag((moonpool_bytes){space + 1, (size_t)(end - space) - 1}, &history->life.birth);
}

static int read_entries(mp_history *history) {
  moonpool_bytes body;
  moonpool_id id;
  const moonpool_reply *entry = history->entries->u.list.first;
  for (; entry; entry = entry->next) {
    if (!mp_history_entry(entry, &id, &body)) return MOONPOOL_EPROTO;
    if (!history->count++) history->first = id;
    history->last = id;
  }
  history->has_room |= history->count > 0;
  return MOONPOOL_OK;
}

int mp_history_parse(mp_history *history, const moonpool_reply *reply) {
  *history = (mp_history){.kind = MOONPOOL_HISTORY_ANY};
  if (!is_list(reply) || reply->u.list.count < 4) return MOONPOOL_EPROTO;
  const moonpool_reply *head = reply->u.list.first, *config = head->next, *server = config->next;
  history->entries = server->next;
  if (!is_string(server) || !is_list(history->entries)) return MOONPOOL_EPROTO;
  history->has_head =
      is_string(head) && moonpool_id_parse(head->u.string, &history->head) == MOONPOOL_OK;
  history->has_room = history->has_head;
  history->has_config = is_string(config);
  if (history->has_config) read_config(history, config->u.string);
  if (server->u.string.len) history->life.server = hash_of(server->u.string);
  const moonpool_reply *found = history->entries->next;
  if (found && found->next) {
    history->found = found->u.integer;
    history->is_oldest = found->next->u.integer != 0;
  }
  return read_entries(history);
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* How many of the entries are ours, and how long their bodies are. */
static size_t measure(const mp_history *history, size_t skip, size_t *bytes) {
  const moonpool_reply *entry = history->entries->u.list.first;
  moonpool_bytes body;
  moonpool_id id;
  size_t count = 0;
  *bytes = 0;
  for (; entry; entry = entry->next) {
    if (skip) {
      skip--;
      continue;
    }
    mp_history_entry(entry, &id, &body);
    if (!id.tag || !body.data) continue;
    count++;
    *bytes += body.len;
  }
  return count;
}

mp_page *mp_page_alloc(size_t count, size_t bytes, const moonpool_allocator *allocator) {
  mp_page *page = mp_alloc(allocator, sizeof *page + count * sizeof *page->entries + bytes + 1);
  if (!page) return NULL;
  page->count = 0;
  page->free = (char *)(page->entries + count);
  return page;
}

void mp_page_add(mp_page *page, const moonpool_id *id, moonpool_bytes body) {
  page->entries[page->count++] = (mp_page_entry){*id, {page->free, body.len}};
  memcpy(page->free, body.data, body.len);
  page->free += body.len;
}

mp_page *mp_page_new(const mp_history *history, size_t skip, const moonpool_allocator *allocator) {
  size_t bytes, count = measure(history, skip, &bytes);
  mp_page *page = mp_page_alloc(count, bytes, allocator);
  const moonpool_reply *entry = history->entries->u.list.first;
  moonpool_bytes body;
  moonpool_id id;
  for (; page && entry; entry = entry->next) {
    if (skip) {
      skip--;
      continue;
    }
    mp_history_entry(entry, &id, &body);
    if (id.tag && body.data) mp_page_add(page, &id, body);
  }
  return page;
}
