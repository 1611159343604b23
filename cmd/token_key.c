/* mkube token-key: the key that signs tokens of ServiceAccounts, and a new one. */
#include "base/mem.h"
#include "base/text.h"
#include "client/oneshot.h"
#include "cmd/cmd.h"
#include "cmd/site_key.h"

#include <stdio.h>

#define TOKEN_KEY_PATH "/mkube/v1/token-key"

static int token_key_run(struct oneshot *o, bool rotate, struct err *err)
{
    cleanup(json_decrefpp) json_t *status = NULL;
    int rc = rotate ? oneshot_call(o, "POST", TOKEN_KEY_PATH "/rotate", NULL, NULL, &status, err)
                    : oneshot_call(o, "GET", TOKEN_KEY_PATH, NULL, NULL, &status, err);
    int64_t others = json_int(status, "keys", 1) - 1;

    if (rc < 0)
        return rc;
    printf("tokens are signed with key %s\n", json_str_or(status, "key", ""));
    if (others > 0)
        printf("%lld earlier %s for a year from its end\n", (long long)others,
               others == 1 ? "one still verifies," : "ones still verify, each");
    return 0;
}

int cmd_token_key(const struct verb *self, int argc, char **argv)
{
    return site_key_main(self, argc, argv, token_key_run);
}
