/* The gateway alone, on a free port of 127.0.0.1: prints "ready PID PORT WHAT IT IS", and ends when
 * standard input does.
 * usage: fanout_moonpool HOST:PORT KEEP     Redis; messages that rooms keep */
#define PROGRAM "fanout_moonpool"
#include "peer.h"
#include <moonpool_gateway.h>
#include <unistd.h>

static moonpool *client;
static moonpool_gateway *gateway;
static uv_pipe_t input;

static void on_client_closed(void *ctx) {
  (void)ctx;
}

static void on_gateway_closed(void *ctx) {
  (void)ctx;
  moonpool_close(client, on_client_closed, NULL);
}

static void on_allocate(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  static char bytes[64];
  (void)handle, (void)size;
  *buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_input(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
  (void)buf;
  if (len >= 0) return;
  uv_close((uv_handle_t *)stream, NULL);
  moonpool_gateway_close(gateway, on_gateway_closed, NULL);
}

static void watch_input(uv_loop_t *loop) {
  uv_pipe_init(loop, &input, 0);
  if (uv_pipe_open(&input, STDIN_FILENO) != 0 ||
      uv_read_start((uv_stream_t *)&input, on_allocate, on_input) != 0)
    die(PROGRAM, "standard input is no pipe");
}

int main(int argc, char **argv) {
  char message[256], url[300];
  uv_loop_t *loop = uv_default_loop();
  moonpool_options options;
  moonpool_room_options room;
  moonpool_gateway_options gateway_options;
  if (argc != 3) die(PROGRAM, "usage: %s HOST:PORT KEEP", PROGRAM);
  raise_descriptors();
  moonpool_options_init(&options);
  moonpool_room_options_init(&room);
  moonpool_gateway_options_init(&gateway_options);
  room.keep = number(PROGRAM, argv[2]);
  gateway_options.room = &room;
  snprintf(url, sizeof url, "redis://%s", argv[1]);
  options.url = url;
  if (moonpool_open(&client, loop, &options, message, sizeof message) != MOONPOOL_OK ||
      moonpool_gateway_open(&gateway, client, loop, &gateway_options, message, sizeof message) !=
          MOONPOOL_OK ||
      moonpool_gateway_listen(gateway, "127.0.0.1:0", -1, message, sizeof message) != MOONPOOL_OK)
    die(PROGRAM, "%s", message);
  watch_input(loop);
  printf("ready %ld %s moonpool %s\n", (long)getpid(),
         strrchr(moonpool_gateway_address(gateway, 0), ':') + 1, MOONPOOL_VERSION);
  fflush(stdout);
  uv_run(loop, UV_RUN_DEFAULT);
  return 0;
}
