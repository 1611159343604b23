/* mkube kubeconfig: what kubectl needs to reach this cluster, on stdout. */
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/oneshot.h"
#include "cmd/cmd.h"

#include <stdio.h>

#define KUBECONFIG_MAX (1024 * 1024)

int cmd_kubeconfig(const struct verb *self, int argc, char **argv)
{
    struct err err = ERR_EMPTY;
    const char *data_dir = "/var/lib/mkube";
    const char *server = NULL;
    int n, exit_code;
    cleanup(freep) char *path = NULL;
    cleanup(client_config_fini) struct client_config config = { 0 };
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    const struct opt table[] = {
        { "data-dir", 'd', OPT_TEXT, &data_dir, "DIR",
          "of the server on this host (default /var/lib/mkube)" },
        { "server", 0, OPT_TEXT, &server, "URL",
          "write this address instead of the advertised one" },
        { .name = NULL },
    };

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    path = mem_fmt("%s/admin.kubeconfig", data_dir);
    if (client_config_load(&config, path, &err) < 0)
        return verb_fail(self, &err);
    if (server != NULL) {
        free(config.server);
        config.server = mem_str(server);
    }
    client_config_print(&t, &config, "mkube");
    fputs(text_str(&t), stdout);
    return VERB_DONE;
}
