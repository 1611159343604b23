/* mkube token create: a join token for one more worker. */
#include "api/token.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/tls.h"
#include "client/oneshot.h"
#include "cmd/cmd.h"

#include <stdio.h>

#define TOKEN_HOURS_MAX (24 * 365)

static int token_create(const char *kubeconfig, int64_t hours, bool bare, struct err *err)
{
    cleanup(freep) char *path = oneshot_find_config(kubeconfig);
    cleanup(client_config_fini) struct client_config config = { 0 };
    cleanup(json_decrefpp) json_t *secret = NULL;
    cleanup(text_fini) struct text text = TEXT_EMPTY;
    cleanup(freep) char *hash = NULL;
    struct oneshot *o = NULL;
    struct token_join token;
    int rc = client_config_load(&config, path, err);

    if (rc == 0)
        rc = tls_cert_hash(&hash, config.ca_pem, err);
    if (rc == 0)
        rc = oneshot_new(&o, kubeconfig, err);
    if (rc < 0)
        return rc;
    token_join_random(&token, str_starts(hash, "sha256:") ? hash + 7 : hash);
    secret = token_join_secret(&token, clock_wall_ms() + hours * 3600 * 1000);
    json_put_str(secret, "apiVersion", "v1");
    json_put_str(secret, "kind", "Secret");
    rc = oneshot_call(o, "POST", "/api/v1/namespaces/kube-system/secrets", "application/json",
                      secret, NULL, err);
    oneshot_free(o);
    if (rc < 0)
        return rc;
    token_join_print(&text, &token);
    if (bare)
        printf("%s\n", text_str(&text));
    else
        printf("mkube agent --server %s --token %s\n", config.server, text_str(&text));
    return 0;
}

int cmd_token(const struct verb *self, int argc, char **argv)
{
    struct err err = ERR_EMPTY;
    const char *kubeconfig = NULL;
    int64_t hours = 24;
    bool bare = false;
    int n, exit_code;
    const struct opt table[] = {
        { "kubeconfig", 0, OPT_TEXT, &kubeconfig, "FILE",
          "whom to ask (default: this host's server)" },
        { "hours", 0, OPT_NUMBER, &hours, "N", "how long it may be used (default 24)" },
        { "bare", 0, OPT_FLAG, &bare, NULL, "print the token alone, not the command" },
        { .name = NULL },
    };

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n != 1 || !str_eq(argv[0], "create") || hours < 1 || hours > TOKEN_HOURS_MAX) {
        fprintf(stderr, "Usage: %s\n", self->usage);
        return VERB_USAGE;
    }
    return token_create(kubeconfig, hours, bare, &err) < 0 ? verb_fail(self, &err) : VERB_DONE;
}
