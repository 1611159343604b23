/* verbs: all client verbs; kubectl's exit codes (1 for wrong usage too). */
#ifndef CLIENT_VERBS_H
#define CLIENT_VERBS_H

#include "client/verb.h"

#include <stdio.h>

/* Runs the verb that argv[0] names; false: there is none. */
bool verbs_run(int argc, char **argv, int *ret_exit);
/* A line per verb. */
void verbs_print(FILE *out);

int apply_main(const struct verb *self, int argc, char **argv);
int get_main(const struct verb *self, int argc, char **argv);
int delete_main(const struct verb *self, int argc, char **argv);
int logs_main(const struct verb *self, int argc, char **argv);
int why_main(const struct verb *self, int argc, char **argv);
int top_main(const struct verb *self, int argc, char **argv);
int events_main(const struct verb *self, int argc, char **argv);
int resources_main(const struct verb *self, int argc, char **argv);
int resources_version_main(const struct verb *self, int argc, char **argv);
int resources_config_main(const struct verb *self, int argc, char **argv);
int create_main(const struct verb *self, int argc, char **argv);
int exec_main(const struct verb *self, int argc, char **argv);
int forward_main(const struct verb *self, int argc, char **argv);
int describe_main(const struct verb *self, int argc, char **argv);
int label_main(const struct verb *self, int argc, char **argv);
int label_annotate_main(const struct verb *self, int argc, char **argv);
int scale_main(const struct verb *self, int argc, char **argv);
int rollout_main(const struct verb *self, int argc, char **argv);
int wait_main(const struct verb *self, int argc, char **argv);
int drain_cordon_main(const struct verb *self, int argc, char **argv);
int drain_uncordon_main(const struct verb *self, int argc, char **argv);
int taint_main(const struct verb *self, int argc, char **argv);
int patch_main(const struct verb *self, int argc, char **argv);
int completion_main(const struct verb *self, int argc, char **argv);
int certificate_main(const struct verb *self, int argc, char **argv);
int drain_main(const struct verb *self, int argc, char **argv);

#endif
