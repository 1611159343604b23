/* mkube: Kubernetes manifests on three small machines.  See ARCH.md. */
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/version.h"
#include "client/verbs.h"
#include "cmd/cmd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static const struct verb cmds[] = {
    { "server", "run the control VM: API, scheduler, controllers, entry", "mkube server [flags]",
      cmd_server },
    { "agent", "run a worker: join the cluster and run its pods",
      "mkube agent --server URL --token TOKEN [flags]", cmd_agent },
    { "entry", "run the entry proxy (started by `mkube server`)", "mkube entry [flags]",
      cmd_entry },
    { "token", "make a join token for one more worker", "mkube token create [flags]", cmd_token },
    { "kubeconfig", "print a kubeconfig for this cluster", "mkube kubeconfig [flags]",
      cmd_kubeconfig },
    { "secretstore", "keep the keys that ExternalSecrets are made of",
      "mkube secretstore put KEY PROPERTY=VALUE... | put KEY -f FILE | get KEY [PROPERTY] | list | "
      "delete KEY [flags]",
      cmd_secretstore },
    { "certificates", "show what this host's certificates are good for",
      "mkube certificates [flags]", cmd_certificates },
    { "token-key", "show, or change, the key that signs tokens of ServiceAccounts",
      "mkube token-key status | rotate [flags]", cmd_token_key },
    { "encryption", "show, or change, the key under which Secrets are stored",
      "mkube encryption status | rotate [flags]", cmd_encryption },
    { "image", "bring an image, or a directory of archives, to this node",
      "mkube image pull REF | load DIR [flags]", cmd_image },
    { "pause", "hold a process namespace (started by `mkube agent`)", "mkube pause PATH",
      cmd_pause },
    { "exec-keeper", "stand by a program in a container (started by `mkube agent`)",
      "mkube exec-keeper PID-FILE RUNC...", cmd_exec_keeper },
    { "check", "say what this host lacks, and the package that brings it",
      "mkube check [server|agent]", cmd_check },
};

static int main_version(void)
{
    printf("mkube %s (Kubernetes API %s)\n", MKUBE_VERSION, MKUBE_KUBERNETES_VERSION);
    return VERB_DONE;
}

static int cmd_help(FILE *out, int code)
{
    fprintf(out, "mkube runs Kubernetes manifests on a few small machines.\n\n"
                 "Usage: mkube COMMAND [flags]\n\nCommands that run a cluster:\n");
    for (size_t i = 0; i < N_ELEMENTS(cmds); i++)
        fprintf(out, "  %-13s %s\n", cmds[i].name, cmds[i].summary);
    fprintf(out, "\nCommands for what the cluster holds:\n");
    verbs_print(out);
    fprintf(out, "\n`mkube COMMAND --help` tells more.  MKUBE_LOG=debug|info|warn|error sets what "
                 "is logged.\n");
    return code;
}

/* A TLS connection takes three descriptors; the usual soft limit of 1024 would be reached by a few
 * hundred clients.  No more than the kernel gives without being asked: some programs that we start
 * walk through all possible ones. */
static void main_raise_files(void)
{
    const rlim_t enough = 1 << 20;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= enough)
        return;
    files.rlim_cur = files.rlim_max < enough ? files.rlim_max : enough;
    setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
    struct err err = ERR_EMPTY;
    int code;
    const char *level = getenv("MKUBE_LOG");

    signal(SIGPIPE, SIG_IGN);
    main_raise_files();
    if (level != NULL && log_set_level(level, &err) < 0)
        fprintf(stderr, "mkube: MKUBE_LOG: %s\n", err.text);
    if (argc < 2)
        return cmd_help(stderr, VERB_USAGE);
    if (str_eq(argv[1], "help") || str_eq(argv[1], "--help") || str_eq(argv[1], "-h"))
        return cmd_help(stdout, VERB_DONE);
    if (str_eq(argv[1], "--version"))
        return main_version();
    for (size_t i = 0; i < N_ELEMENTS(cmds); i++)
        if (str_eq(argv[1], cmds[i].name))
            return cmds[i].run(&cmds[i], argc - 2, argv + 2);
    if (verbs_run(argc - 1, argv + 1, &code))
        return code;
    fprintf(stderr, "mkube: unknown command \"%s\"\n", argv[1]);
    return cmd_help(stderr, VERB_USAGE);
}
