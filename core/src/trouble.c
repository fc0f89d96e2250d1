#include "trouble.h"

#include "commands.h"

#include <string.h>
#include <strings.h>

#define AGAIN (MP_TROUBLE_PASSES | MP_TROUBLE_REPEAT)
#define NO_CLUSTER "moonpool follows no redirections: this is a node of a Redis Cluster"

/* Redis's own words: createSharedObjects in its server.c, getNodeByQuery in cluster.c, acl.c. */
static const mp_trouble troubles[] = {
    {"LOADING", MOONPOOL_EREDIS, AGAIN, NULL},
    {"MASTERDOWN", MOONPOOL_EREDIS, AGAIN, NULL},
    {"READONLY", MOONPOOL_EREDIS, AGAIN | MP_TROUBLE_ELSEWHERE, NULL},
    {"CLUSTERDOWN", MOONPOOL_EREDIS, AGAIN, NULL},
    {"TRYAGAIN", MOONPOOL_EREDIS, AGAIN, NULL},
    {"NOREPLICAS", MOONPOOL_EREDIS, AGAIN, NULL},
    /* a script may run for ever, and SCRIPT KILL is for the program to say */
    {"BUSY", MOONPOOL_EREDIS, MP_TROUBLE_PASSES, NULL},
    {"ERR max number of clients", MOONPOOL_EREDIS, MP_TROUBLE_PASSES, NULL},
    {"UNBLOCKED force unblock", MOONPOOL_EREDIS, MP_TROUBLE_ELSEWHERE, NULL},
    {"MOVED", MOONPOOL_ENOSUPPORT, 0, NO_CLUSTER},
    {"ASK", MOONPOOL_ENOSUPPORT, 0, NO_CLUSTER},
    {"NOPERM", MOONPOOL_EPERM, MP_TROUBLE_STAYS, NULL},
    {"DENIED", MOONPOOL_EREDIS, MP_TROUBLE_STAYS, NULL},
    {"NOAUTH", MOONPOOL_EAUTH, MP_TROUBLE_ELSEWHERE | MP_TROUBLE_STAYS, NULL},
    {"WRONGPASS", MOONPOOL_EAUTH, MP_TROUBLE_STAYS, NULL},
    {"ERR invalid password", MOONPOOL_EAUTH, MP_TROUBLE_STAYS, NULL},
    {"ERR Client sent AUTH", MOONPOOL_EAUTH, MP_TROUBLE_STAYS, NULL},
};

static const mp_trouble any = {"", MOONPOOL_EREDIS, 0, NULL};

/* BUSYGROUP is no BUSY. */
static int begins_with(const moonpool_bytes *text, const char *words) {
  size_t len = strlen(words);
  if (text->len < len || memcmp(text->data, words, len) != 0) return 0;
  return text->len == len || text->data[len] == ' ' || text->data[len] == ',';
}

const mp_trouble *mp_trouble_of(const moonpool_reply *error) {
  for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++)
    if (begins_with(&error->u.string, troubles[i].words)) return &troubles[i];
  return &any;
}

/* "... script: c82c7d1a, on @user_script:1." */
int mp_trouble_is_of_script(const moonpool_reply *error) {
  static const char mark[] = ", on @user_";
  const moonpool_bytes *text = &error->u.string;
  for (size_t i = 0; i + sizeof mark - 1 <= text->len; i++)
    if (!memcmp(text->data + i, mark, sizeof mark - 1)) return 1;
  return 0;
}

int mp_trouble_passes(const moonpool_reply *error) {
  return (mp_trouble_of(error)->traits & MP_TROUBLE_PASSES) && !mp_trouble_is_of_script(error);
}

static int runs_script(const moonpool_bytes *word) {
  if (word->len >= 4 && !strncasecmp(word->data, "EVAL", 4)) return 1;
  return word->len >= 5 && !strncasecmp(word->data, "FCALL", 5);
}

int moonpool_may_repeat(size_t argc, const moonpool_bytes *argv, const moonpool_reply *error) {
  const char *hint;
  if (!error || error->type != MOONPOOL_ERROR || !mp_trouble_passes(error)) return 0;
  if (!(mp_trouble_of(error)->traits & MP_TROUBLE_REPEAT)) return 0;
  if (argc == 0) return 1;
  return mp_command_class_of(argc, argv, &hint) == MP_COMMAND_PLAIN && !runs_script(argv);
}
