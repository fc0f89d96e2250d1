/* The turns in which a source's lines read the room's history, one at a time: who wants one, how it
 * begins, and how it fails. */
#include "feed_private.h"

static uint64_t now_of(const mp_source *source) {
  return uv_now(source->feeds->client->loop);
}

/* ---- wanting --------------------------------------------------------------------------------- */

static mp_line *first_that_wants(const mp_source *source) {
  for (mp_node *node = source->lines.next; node != &source->lines; node = node->next) {
    mp_line *line = MP_OF(node, mp_line, node);
    if (line->state == MP_LINE_WANTS && !line->cursor) return line;
  }
  return NULL;
}

void mp_source_want(mp_source *source) {
  mp_feeds *feeds = source->feeds;
  if (source->is_ended || source->reader || source->is_reading || !source->is_confirmed) return;
  if (!mp_node_is_alone(&source->wanting)) return;
  if (source->not_before > now_of(source)) {
    mp_source_schedule(source);
    return;
  }
  mp_node_append(&feeds->wanting, &source->wanting);
  mp_client_mark_dirty(feeds->client);
}

void mp_line_want(mp_line *line) {
  mp_source *source = line->source;
  line->state = MP_LINE_WANTS;
  source->only = NULL;
  mp_node_remove(&line->node); /* after those who wait already */
  mp_node_append(&source->lines, &line->node);
  mp_source_want(source);
}

void mp_line_resync(mp_line *line) {
  mp_source *source = line->source;
  uint64_t now = now_of(source), next = source->resynced_at + source->options.resync_pause;
  if (next > now && next > source->not_before) source->not_before = next;
  source->resynced_at = next > now ? next : now;
  source->resyncs++;
  mp_line_want(line);
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Lines that would read the same read it together. */
static void gather(mp_line *line) {
  mp_source *source = line->source;
  for (mp_node *node = source->lines.next, *next; node != &source->lines; node = next) {
    mp_line *other = MP_OF(node, mp_line, node);
    next = node->next;
    if (other != line && other->state == MP_LINE_WANTS && mp_line_is_with(line, other))
      mp_line_merge(line, other);
  }
}

void mp_source_begin_turn(mp_source *source) {
  if (source->is_ended || source->reader || source->is_reading || !source->is_confirmed) return;
  mp_line *line = first_that_wants(source);
  if (!line) return;
  gather(line);
  source->reader = line;
  source->only = NULL;
  mp_source_drop_held(source);
  line->state = MP_LINE_READS;
  line->is_stale = 0;
  line->is_at_end = line->has_past = line->owes_gap = line->owes_end_gap = 0;
  mp_turn_check_call(line, mp_turn_read(line));
}

mp_line *mp_turn_end_call(mp_source *source) {
  mp_feeds *feeds = source->feeds;
  mp_line *line = source->reader;
  source->is_reading = 0;
  feeds->reads--;
  if (!mp_node_is_alone(&feeds->wanting)) mp_client_mark_dirty(feeds->client);
  if (source->is_ended) line = NULL;
  if (!line) mp_source_want(source);
  return line;
}

void mp_turn_tell(mp_line *line) {
  mp_feeds *feeds = line->source->feeds;
  line->state = MP_LINE_TELLS;
  mp_node_append(&feeds->busy, &line->agenda);
  mp_client_mark_dirty(feeds->client);
}

/* Not told of: what passes by itself, and what was told. */
void mp_turn_fail(mp_line *line, const moonpool_reply *reply, const moonpool_error *error) {
  mp_source *source = line->source;
  int is_passing = moonpool_may_repeat(0, NULL, reply) || error->status == MOONPOOL_ECONN ||
                   error->status == MOONPOOL_ECLOSED;
  source->not_before = now_of(source) + mp_source_backoff(source);
  mp_line_end_turn(line);
  mp_line_want(line);
  if (!is_passing) mp_source_tell_error(source, error);
}

/* ---- calls ----------------------------------------------------------------------------------- */

int mp_turn_begin_call(mp_source *source, int status) {
  if (status != MOONPOOL_OK) return status;
  source->is_reading = 1;
  source->holds++;
  source->reads++;
  source->feeds->reads++;
  return status;
}

void mp_turn_check_call(mp_line *line, int status) {
  moonpool_error error = {(moonpool_status)status, moonpool_status_text(status)};
  if (status != MOONPOOL_OK) mp_turn_fail(line, NULL, &error);
}
