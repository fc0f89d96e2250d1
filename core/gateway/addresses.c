#include "addresses.h"

#include "conn_private.h"

enum { BUCKETS = 1024 };

typedef struct entry {
  struct entry *next;
  size_t count;
  char address[GW_ADDRESS_SIZE];
} entry;

struct gw_addresses {
  entry *buckets[BUCKETS];
};

int gw_addresses_new(gw_server *s) {
  if (!s->gateway->options.max_connections_per_address) return MOONPOOL_OK;
  s->addresses = mp_calloc(s->gateway->allocator, sizeof *s->addresses);
  return s->addresses ? MOONPOOL_OK : MOONPOOL_ENOMEM;
}

void gw_addresses_free(gw_server *s) {
  mp_free(s->gateway->allocator, s->addresses); /* with its last connection the last entry went */
}

/* Where the address's entry is, or would be. */
static entry **find(struct gw_addresses *a, const char *address) {
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (const char *c = address; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
  entry **place = &a->buckets[hash % BUCKETS];
  while (*place && strcmp((*place)->address, address) != 0) place = &(*place)->next;
  return place;
}

int gw_addresses_enter(gw_conn *c) {
  struct gw_addresses *a = c->server->addresses;
  if (!a || c->is_counted) return 1;
  entry **place = find(a, c->address);
  if (!*place) {
    entry *made = mp_calloc(gw_conn_allocator(c), sizeof *made);
    if (!made) return 0;
    strcpy(made->address, c->address);
    *place = made;
  }
  if ((*place)->count >= gw_conn_options(c)->max_connections_per_address) return 0;
  (*place)->count++;
  c->is_counted = 1;
  return 1;
}

void gw_addresses_leave(gw_conn *c) {
  if (!c->is_counted) return;
  entry **place = find(c->server->addresses, c->address), *e = *place;
  c->is_counted = 0;
  if (--e->count) return;
  *place = e->next;
  mp_free(gw_conn_allocator(c), e);
}
