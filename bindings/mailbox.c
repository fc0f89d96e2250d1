/* Letters: copies of what arrived while a handler waited, in order, up to a limit. What is beyond
 * it is counted into one gap letter at the very place where it is missing. */
#include "handles.h"

#include <stdlib.h>
#include <string.h>

static void append(mp_mailbox *box, mp_letter *letter) {
  letter->next = NULL;
  if (box->last)
    box->last->next = letter;
  else
    box->first = letter;
  box->last = letter;
}

static int append_gap(mp_mailbox *box, mp_gap why) {
  mp_letter *gap = calloc(1, sizeof *gap);
  if (!gap) return 0;
  gap->gap = why;
  append(box, gap);
  return 1;
}

static int overflow(mp_sub *sub) {
  mp_mailbox *box = sub->mailbox;
  sub->client->gaps++;
  if (!box) return 0;
  if (!box->last || box->last->gap != MP_GAP_OVERFLOW) {
    if (!append_gap(box, MP_GAP_OVERFLOW)) return 0;
  }
  box->last->missing++;
  return 0;
}

static char *copy(char *to, moonpool_bytes from) {
  if (from.len) memcpy(to, from.data, from.len);
  return to + from.len;
}

int mp_mailbox_put(mp_sub *sub, const moonpool_event *event) {
  const mp_client *client = sub->client;
  if (!sub->mailbox) sub->mailbox = calloc(1, sizeof *sub->mailbox);
  mp_mailbox *box = sub->mailbox;
  if (!box) return overflow(sub);
  int is_message = event->type == MOONPOOL_MESSAGE;
  if (is_message && client->max_mailbox && box->count >= client->max_mailbox) return overflow(sub);
  moonpool_bytes message = {event->error.message,
                            event->error.message ? strlen(event->error.message) : 0};
  size_t size = event->payload.len + event->channel.len + event->pattern.len + message.len;
  if (is_message && client->max_mailbox_bytes && box->bytes + size > client->max_mailbox_bytes)
    return overflow(sub);
  mp_letter *letter = malloc(sizeof *letter + size + 1);
  if (!letter) return overflow(sub);
  *letter = (mp_letter){.type = event->type,
                        .count = event->count,
                        .status = event->error.status,
                        .payload = event->payload.len,
                        .channel = event->channel.len,
                        .pattern = event->pattern.len,
                        .message = message.len,
                        .has_channel = event->channel.data != NULL,
                        .has_pattern = event->pattern.data != NULL};
  char *end = copy(letter->bytes, event->payload);
  end = copy(end, event->channel);
  end = copy(end, event->pattern);
  *copy(end, message) = '\0';
  if (event->type == MOONPOOL_RECONNECTED) append_gap(box, MP_GAP_RECONNECT);
  append(box, letter);
  box->count++;
  box->bytes += size;
  return 1;
}

mp_letter *mp_mailbox_take(mp_sub *sub) {
  mp_mailbox *box = sub->mailbox;
  if (!box || !box->first) return NULL;
  mp_letter *letter = box->first;
  box->first = letter->next;
  if (!box->first) box->last = NULL;
  if (letter->gap) return letter;
  box->count--;
  box->bytes -= letter->payload + letter->channel + letter->pattern + letter->message;
  return letter;
}

int mp_mailbox_has_event(const mp_sub *sub) {
  const mp_letter *letter = sub->mailbox ? sub->mailbox->first : NULL;
  return letter && (letter->gap || letter->type != MOONPOOL_MESSAGE);
}

void mp_mailbox_clear(mp_sub *sub) {
  mp_letter *letter;
  while ((letter = mp_mailbox_take(sub))) free(letter);
}

void mp_mailbox_free(mp_sub *sub) {
  mp_mailbox_clear(sub);
  free(sub->mailbox);
  sub->mailbox = NULL;
}

void mp_letter_event(const mp_letter *letter, moonpool_event *event) {
  const char *channel = letter->bytes + letter->payload, *pattern = channel + letter->channel;
  *event = (moonpool_event){.type = letter->type,
                            .payload = {letter->bytes, letter->payload},
                            .channel = {letter->has_channel ? channel : NULL, letter->channel},
                            .pattern = {letter->has_pattern ? pattern : NULL, letter->pattern},
                            .count = letter->count,
                            .error = {(moonpool_status)letter->status, pattern + letter->pattern}};
}
