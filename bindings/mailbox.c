/* Letters: copies of what arrived while a handler waited, in order, up to a limit. What is beyond
 * it is counted into one gap letter at the very place where it is missing. */
#include "room.h"

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

static int is_over(const mp_client *client, const mp_mailbox *box, size_t size) {
  return (client->max_mailbox && box->count >= client->max_mailbox) ||
         (client->max_mailbox_bytes && box->bytes + size > client->max_mailbox_bytes);
}

static mp_letter *new_letter(const moonpool_event *event, size_t message, size_t size) {
  mp_letter *letter = malloc(sizeof *letter + size + 1);
  if (!letter) return NULL;
  *letter = (mp_letter){.type = event->type,
                        .count = event->count,
                        .status = event->error.status,
                        .payload = event->payload.len,
                        .channel = event->channel.len,
                        .pattern = event->pattern.len,
                        .message = message,
                        .has_channel = event->channel.data != NULL,
                        .has_pattern = event->pattern.data != NULL};
  return letter;
}

/* A feed's event: its body and room are the letter's payload and channel. */
static int put_room(mp_sub *sub, const moonpool_event *event) {
  moonpool_event as_letter = *event;
  moonpool_bytes message = {event->error.message,
                            event->error.message ? strlen(event->error.message) : 0};
  as_letter.payload = event->room->body;
  if (!as_letter.payload.data) as_letter.payload.len = 0;
  as_letter.channel = event->room->room;
  size_t size = as_letter.payload.len + as_letter.channel.len + message.len;
  mp_letter *letter = new_letter(&as_letter, message.len, size + sizeof *event->room);
  if (!letter) {
    mp_feed_lose(sub, event);
    return 0;
  }
  letter->room = sizeof *event->room;
  char *end = copy(letter->bytes, as_letter.payload);
  end = copy(end, as_letter.channel);
  end = copy(end, message);
  *end++ = '\0';
  memcpy(end, event->room, sizeof *event->room);
  append(sub->mailbox, letter);
  sub->mailbox->count++;
  sub->mailbox->bytes += size;
  mp_feed_kept(sub);
  return 1;
}

int mp_mailbox_put(mp_sub *sub, const moonpool_event *event) {
  if (event->type == MOONPOOL_ROOM) return put_room(sub, event);
  if (!sub->mailbox) sub->mailbox = calloc(1, sizeof *sub->mailbox);
  mp_mailbox *box = sub->mailbox;
  if (!box) return overflow(sub);
  moonpool_bytes message = {event->error.message,
                            event->error.message ? strlen(event->error.message) : 0};
  size_t size = event->payload.len + event->channel.len + event->pattern.len + message.len;
  if (event->type == MOONPOOL_MESSAGE && is_over(sub->client, box, size)) return overflow(sub);
  mp_letter *letter = new_letter(event, message.len, size);
  if (!letter) return overflow(sub);
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
  if (letter->room) mp_feed_taken(sub);
  return letter;
}

/* Is it one that waits for an iterator? */
static int is_message(const mp_sub *sub, const mp_letter *letter) {
  if (letter->gap || !letter->room) return !letter->gap && letter->type == MOONPOOL_MESSAGE;
  moonpool_room_event room;
  moonpool_event event;
  mp_letter_event(letter, &event, &room);
  return room.type == MOONPOOL_ROOM_MESSAGE || (room.type == MOONPOOL_ROOM_GAP && sub->keeps_gaps);
}

int mp_mailbox_has_event(const mp_sub *sub) {
  const mp_letter *letter = sub->mailbox ? sub->mailbox->first : NULL;
  return letter && !is_message(sub, letter);
}

void mp_mailbox_clear(mp_sub *sub) {
  mp_letter *letter;
  while ((letter = mp_mailbox_take(sub))) free(letter);
}

void mp_mailbox_free(mp_sub *sub) {
  mp_mailbox_clear(sub);
  if (sub->kind != MP_SUB_FEED) free(sub->mailbox); /* a feed's is a part of it */
  sub->mailbox = NULL;
}

void mp_letter_event(const mp_letter *letter, moonpool_event *event, moonpool_room_event *room) {
  const char *channel = letter->bytes + letter->payload, *pattern = channel + letter->channel;
  const char *message = pattern + letter->pattern;
  *event = (moonpool_event){.type = letter->type,
                            .payload = {letter->bytes, letter->payload},
                            .channel = {letter->has_channel ? channel : NULL, letter->channel},
                            .pattern = {letter->has_pattern ? pattern : NULL, letter->pattern},
                            .count = letter->count,
                            .error = {(moonpool_status)letter->status, message}};
  if (!letter->room) return;
  memcpy(room, message + letter->message + 1, sizeof *room);
  room->body = event->payload;
  room->room = event->channel;
  event->room = room;
}
