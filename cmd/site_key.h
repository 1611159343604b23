/* site_key: verbs about a key that the server holds, `status` and `rotate`: token-key, encryption. */
#ifndef CMD_SITE_KEY_H
#define CMD_SITE_KEY_H

#include "client/oneshot.h"
#include "client/verb.h"

/* Asks the server, and prints what it says. */
typedef int (*site_key_fn)(struct oneshot *o, bool rotate, struct err *err);
int site_key_main(const struct verb *self, int argc, char **argv, site_key_fn fn);

#endif
