/* verbs: the client verbs, for the table in cmd/main.c. */
#ifndef CLIENT_VERBS_H
#define CLIENT_VERBS_H

#include "client/verb.h"

int apply_main(const struct verb *self, int argc, char **argv);
int get_main(const struct verb *self, int argc, char **argv);
int delete_main(const struct verb *self, int argc, char **argv);
int logs_main(const struct verb *self, int argc, char **argv);

#endif
