/* mkube encryption: the key under which Secrets are stored, and a new one. */
#include "base/mem.h"
#include "base/text.h"
#include "client/oneshot.h"
#include "cmd/cmd.h"
#include "cmd/site_key.h"

#include <stdio.h>
#include <time.h>

#define ENCRYPTION_PATH    "/mkube/v1/encryption"
#define ENCRYPTION_POLL_MS 200
#define ENCRYPTION_WAIT_S  600

static void encryption_print(const json_t *status)
{
    printf("key %s in %s\n", json_str_or(status, "key", ""), json_str_or(status, "file", ""));
    if (json_int(status, "keys", 1) > 1)
        printf("%lld keys are in use: Secrets %s\n", (long long)json_int(status, "keys", 1),
               json_is_true(json_at(status, "rotating")) ? "are being rewritten"
                                                         : "wait to be rewritten");
    if (json_str(status, "error") != NULL)
        printf("last attempt: %s\n", json_str(status, "error"));
}

/* Until the server is through, or has failed. */
static int encryption_wait(struct oneshot *o, json_t **ret, struct err *err)
{
    const struct timespec pause = { .tv_nsec = ENCRYPTION_POLL_MS * 1000000L };

    for (int i = 0; i < ENCRYPTION_WAIT_S * 1000 / ENCRYPTION_POLL_MS; i++) {
        cleanup(json_decrefpp) json_t *status = NULL;
        int rc = oneshot_call(o, "GET", ENCRYPTION_PATH, NULL, NULL, &status, err);

        if (rc < 0)
            return rc;
        if (!json_is_true(json_at(status, "rotating"))) {
            *ret = STEAL(status);
            return 0;
        }
        nanosleep(&pause, NULL);
    }
    return err_set(err, ERR_TIMEOUT,
                   "Secrets are still being rewritten: `mkube encryption status`");
}

static int encryption_run(struct oneshot *o, bool rotate, struct err *err)
{
    cleanup(json_decrefpp) json_t *status = NULL;
    int rc = rotate ? oneshot_call(o, "POST", ENCRYPTION_PATH "/rotate", NULL, NULL, NULL, err) : 0;

    if (rc == 0)
        rc = rotate ? encryption_wait(o, &status, err)
                    : oneshot_call(o, "GET", ENCRYPTION_PATH, NULL, NULL, &status, err);
    if (rc < 0)
        return rc;
    encryption_print(status);
    if (rotate && json_str(status, "error") != NULL)
        return err_set(err, ERR_INTERNAL, "not finished; the server goes on by itself");
    return 0;
}

int cmd_encryption(const struct verb *self, int argc, char **argv)
{
    return site_key_main(self, argc, argv, encryption_run);
}
