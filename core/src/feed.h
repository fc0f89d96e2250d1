/* The feeds of one client: what hands their events to the program, and the turn of the loop in
 * which they read. */
#ifndef MP_FEED_H
#define MP_FEED_H

#include <moonpool_room.h>

typedef struct mp_feeds mp_feeds;

/* As moonpool_next for the feeds' events: 1 and *event, or 0. Those of a message that has just been
 * read come before anything else is read. NULL is accepted by all of these. */
int mp_feeds_next(mp_feeds *feeds, const moonpool_event **event);

/* Likewise for what was fetched from the history, as much of it as the loop's turn allows. */
int mp_feeds_next_fetched(mp_feeds *feeds, const moonpool_event **event);

/* The drain is over: what it has left borrows no more from what was read. */
void mp_feeds_keep(mp_feeds *feeds);

/* A turn of the loop: begins the reads that are due. 1 when events wait for a drain. */
int mp_feeds_flush(mp_feeds *feeds);

/* The command link is a new connection: it may be to a server with another history. */
void mp_feeds_ready(mp_feeds *feeds);

/* Calls the feed's listener. */
void mp_feed_tell(const moonpool_event *event);

/* After the client's last callback. */
void mp_feeds_free(mp_feeds *feeds);

/* The client is being closed: every feed ends, and is told so. */
void mp_feeds_close(mp_feeds *feeds);

/* The handle is: its feeds end as by moonpool_feed_close. */
void mp_feeds_close_of(moonpool_room *handle);

#endif
