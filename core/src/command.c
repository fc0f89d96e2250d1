/* A single command on its way to the link that carries it. */
#include "client_private.h"
#include "commands.h"
#include "trouble.h"

uint64_t mp_client_timeout(const moonpool *client, uint64_t timeout) {
  if (timeout != 0) return timeout;
  return client->options.command_timeout ? client->options.command_timeout : UINT64_MAX;
}

int moonpool_command(moonpool *client, size_t argc, const moonpool_bytes *argv, uint64_t timeout,
                     moonpool_reply_cb cb, void *ctx) {
  const char *hint;
  if (argc == 0) return MOONPOOL_EARG;
  if (client->is_closed) return MOONPOOL_ECLOSED;
  mp_command_class class = mp_command_class_of(argc, argv, &hint);
  if (class == MP_COMMAND_REFUSED) return MOONPOOL_ENOSUPPORT;
  if (class == MP_COMMAND_BLOCKING)
    return mp_client_command_blocking(client, NULL, argc, argv, timeout, cb, ctx);
  int status;
  mp_buf *out = mp_link_begin(client->link, 1, mp_resp_encoded_size(argc, argv), &status);
  if (!out) return status;
  mp_resp_put_command(out, argc, argv);
  mp_request_info info = {.cb = cb, .ctx = ctx, .timeout = mp_client_timeout(client, timeout)};
  mp_link_commit(client->link, &info);
  client->commands++;
  return MOONPOOL_OK;
}

const char *moonpool_command_hint(size_t argc, const moonpool_bytes *argv) {
  const char *hint = NULL;
  if (argc > 0 && mp_command_class_of(argc, argv, &hint) == MP_COMMAND_REFUSED) return hint;
  return NULL;
}

int moonpool_reply_status(const moonpool_reply *reply) {
  return reply->type == MOONPOOL_ERROR ? mp_trouble_of(reply)->status : MOONPOOL_OK;
}
