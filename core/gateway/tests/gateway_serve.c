/* A gateway without limits of rate, beside a Redis of its own, for clients that are other programs.
 * usage: gateway_serve [SECRET]. Prints its port and, with a secret, a token for everything; ends
 * when its standard input does. */
#include "gateway_thread.h"
#include "token.h"

static void print_token(const char *secret) {
  char claims[100];
  mp_buf token;
  snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"rooms\":[\"*\"],\"exp\":%lld}",
           (long long)time(NULL) + 3600);
  mp_buf_init(&token, &mp_default_allocator);
  if (gw_token_sign(&token, (moonpool_bytes){secret, strlen(secret)},
                    (moonpool_bytes){claims, strlen(claims)}))
    abort();
  printf(" %.*s", (int)token.len, token.data);
  mp_buf_free(&token);
}

int main(int argc, char **argv) {
  static redis_server redis;
  static gateway_thread gateway;
  char text[256];
  if (!redis_start(&redis)) return 1;
  gateway_thread_init(&gateway, &redis);
  gateway.options.messages_per_second = 0;
  gateway.options.pings_per_second = 0;
  if (argc > 1) gateway.options.secret = (moonpool_bytes){argv[1], strlen(argv[1])};
  int is_up = gateway_thread_start(&gateway);
  if (is_up) printf("%d", gateway.port);
  if (is_up && argc > 1) print_token(argv[1]);
  puts("");
  fflush(stdout);
  while (is_up && read(0, text, sizeof text) > 0) continue;
  gateway_thread_stop(&gateway);
  redis_stop(&redis);
  return !is_up;
}
