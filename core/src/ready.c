/* Who waits for the command link to be ready. The client owns the waiters until they are told. */
#include "client_private.h"

void mp_client_tell_waiters(moonpool *client, uint64_t until, const moonpool_error *error) {
  unsigned round = ++client->round;
  while (client->round == round && client->waiters && client->waiters->round != round) {
    mp_waiter *w = client->waiters;
    if (w->deadline > until) return;
    client->waiters = w->next;
    moonpool_ready_cb cb = w->cb;
    void *ctx = w->ctx;
    mp_free(&client->allocator, w);
    cb(client, error, ctx);
  }
}

static void on_told(uv_timer_t *timer) {
  moonpool *client = timer->data;
  if (mp_link_state(client->link) == MOONPOOL_READY)
    mp_client_tell_waiters(client, UINT64_MAX, NULL);
}

void moonpool_ready(moonpool *client, moonpool_ready_cb cb, void *ctx) {
  mp_waiter *w = mp_alloc(&client->allocator, sizeof *w), **tail = &client->waiters;
  if (!w) {
    moonpool_error error = {MOONPOOL_ENOMEM, moonpool_status_text(MOONPOOL_ENOMEM)};
    cb(client, &error, ctx);
    return;
  }
  uint64_t timeout = client->options.connect_timeout;
  uint64_t deadline = timeout ? mp_deadline_after(uv_now(client->loop), timeout) : UINT64_MAX;
  *w = (mp_waiter){NULL, client->round, deadline, cb, ctx};
  while (*tail) tail = &(*tail)->next;
  *tail = w;
  if (moonpool_get_state(client) == MOONPOOL_READY) uv_timer_start(&client->told, on_told, 0, 0);
}
