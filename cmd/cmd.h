/* cmd: the verbs that run the cluster, beside those of client/.  Here, and only here, the layers are
 * composed.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "client/verb.h"

int cmd_server(const struct verb *self, int argc, char **argv);
int cmd_agent(const struct verb *self, int argc, char **argv);
int cmd_entry(const struct verb *self, int argc, char **argv);
int cmd_token(const struct verb *self, int argc, char **argv);
int cmd_secretstore(const struct verb *self, int argc, char **argv);
int cmd_certificates(const struct verb *self, int argc, char **argv);
int cmd_token_key(const struct verb *self, int argc, char **argv);
int cmd_encryption(const struct verb *self, int argc, char **argv);
int cmd_kubeconfig(const struct verb *self, int argc, char **argv);
int cmd_exec_keeper(const struct verb *self, int argc, char **argv);
int cmd_check(const struct verb *self, int argc, char **argv);
int cmd_pause(const struct verb *self, int argc, char **argv);
int cmd_image(const struct verb *self, int argc, char **argv);

#endif
