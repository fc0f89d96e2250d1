/* Looks, now and then, whether a source's lines are at the room's head: a lost frame that no other
 * follows, and a room that was emptied, are seen by nothing else. */
#include "feed_private.h"

static uint64_t now_of(const mp_source *source) {
  return uv_now(source->feeds->client->loop);
}

/* The next look, after the usual time give or take a quarter. */
static void check_later(mp_source *source) {
  uint64_t check = source->options.check;
  source->is_suspect = 0;
  source->check_at = 0;
  if (!check) return;
  uint64_t jitter = check / 2 ? mp_room_random(source->room) % (check / 2) : 0;
  source->check_at = now_of(source) + check - check / 4 + jitter;
}

void mp_source_watch(mp_source *source) {
  if (!source->check_at && !source->is_checking) check_later(source);
  mp_source_schedule(source);
}

void mp_source_check_soon(mp_source *source) {
  uint64_t soon = now_of(source) + source->options.check_grace + 1;
  if (!source->options.check || source->is_checking || source->is_suspect) return;
  if (source->check_at && source->check_at <= soon) return;
  source->check_at = soon;
  mp_source_schedule(source);
}

static mp_line *first_live(const mp_source *source) {
  for (mp_node *node = source->lines.next; node != &source->lines; node = node->next) {
    mp_line *line = MP_OF(node, mp_line, node);
    if (line->state == MP_LINE_LIVE && !line->cursor && mp_line_at(line)->len) return line;
  }
  return NULL;
}

/* The head was elsewhere: is it still, and the line where it was? */
static void suspect(mp_source *source, mp_line *line) {
  const moonpool_id *at = &mp_line_at(line)->id;
  if (source->is_suspect && mp_id_equals(&source->suspect, at)) {
    check_later(source);
    mp_line_resync(line);
    return;
  }
  source->is_suspect = 1;
  source->suspect = *at;
  source->check_at = now_of(source) + source->options.check_grace;
  if (!source->options.check_grace) source->check_at++;
}

static void on_head(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_source *source = ctx;
  mp_line *line = source->is_ended ? NULL : first_live(source);
  source->is_checking = 0;
  if (!source->is_ended) {
    moonpool_id head = {0, 0, 0};
    if (!error && reply->type == MOONPOOL_STRING) moonpool_id_parse(reply->u.string, &head);
    if (!error && line && !mp_id_equals(&head, &mp_line_at(line)->id))
      suspect(source, line);
    else
      check_later(source);
    mp_source_schedule(source);
  }
  mp_source_let_go(source);
}

void mp_source_check(mp_source *source) {
  mp_line *line = first_live(source);
  moonpool_bytes argv[] = {{"GET", 3}, source->key[1]};
  source->check_at = 0;
  if (source->is_checking) return;
  int has_head = source->kind == MOONPOOL_HISTORY_STREAM || source->kind == MOONPOOL_HISTORY_ANY;
  if (line && has_head &&
      moonpool_command(source->feeds->client, 2, argv, 0, on_head, source) == MOONPOOL_OK) {
    source->is_checking = 1;
    source->holds++;
  } else {
    check_later(source);
  }
}

void mp_feeds_ready(mp_feeds *feeds) {
  if (!feeds) return;
  for (mp_node *node = feeds->sources.next; node != &feeds->sources; node = node->next) {
    mp_source *source = MP_OF(node, mp_source, node);
    if (!source->options.check) continue;
    source->check_at = now_of(source) + 1 + mp_room_random(source->room) % 100;
    mp_source_schedule(source);
  }
}
