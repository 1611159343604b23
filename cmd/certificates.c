/* mkube certificates: what this host holds, until when it is good, and when it is renewed. */
#include "base/cert_life.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/identity.h"

#include <stdio.h>
#include <string.h>

#define CERTIFICATES_FILE_MAX (256 * 1024)
#define CERTIFICATES_DAY_MS   (24LL * 3600 * 1000)

static void certificates_row(const char *name, const char *pem, bool renews)
{
    char expiry[CLOCK_TEXT_MAX], renewal[CLOCK_TEXT_MAX] = "by hand";
    int64_t now_ms = clock_wall_ms();
    struct err err = ERR_EMPTY;
    struct cert_life life;

    if (cert_life_read(&life, pem, &err) < 0) {
        printf("%-20s %s\n", name, err.text);
        return;
    }
    clock_print(expiry, life.expiry_ms);
    if (renews)
        clock_print(renewal, life.renew_ms);
    printf("%-20s %-22s %-22s %s\n", name, expiry, renewal,
           life.expiry_ms <= now_ms                                         ? "expired"
           : renews && life.renew_ms <= now_ms                              ? "due"
           : !renews && life.expiry_ms - now_ms < 365 * CERTIFICATES_DAY_MS ? "ends soon"
                                                                            : "good");
}

/* Of the server; false: there are none. */
static bool certificates_of_server(const char *data_dir)
{
    static const char *const names[] = { "ca", "server", "admin", "node-client", "entry" };
    bool found = false;

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        cleanup(freep) char *path = mem_fmt("%s/pki/%s.crt", data_dir, names[i]);
        cleanup(text_fini) struct text pem = TEXT_EMPTY;
        struct err err = ERR_EMPTY;

        if (file_read(&pem, path, CERTIFICATES_FILE_MAX, &err) < 0)
            continue;
        if (!found)
            printf("%-20s %-22s %-22s %s\n", "NAME", "EXPIRES", "RENEWED", "STATE");
        found = true;
        certificates_row(names[i], text_str(&pem), i > 0);
    }
    return found;
}

static bool certificates_of_node(const char *data_dir, bool headed)
{
    struct identity id;
    struct err err = ERR_EMPTY;

    if (identity_load(&id, data_dir, &err) != 0)
        return false;
    if (!headed)
        printf("%-20s %-22s %-22s %s\n", "NAME", "EXPIRES", "RENEWED", "STATE");
    certificates_row("node client", id.client.cert_pem, true);
    certificates_row("node serving", id.serving.cert_pem, true);
    if (identity_is_expired(&id))
        fprintf(stderr, "%s\n", IDENTITY_EXPIRED);
    identity_fini(&id);
    return true;
}

int cmd_certificates(const struct verb *self, int argc, char **argv)
{
    const char *data_dir = "/var/lib/mkube";
    struct err err = ERR_EMPTY;
    bool server, node;
    int n, exit_code;
    const struct opt table[] = {
        { "data-dir", 'd', OPT_TEXT, &data_dir, "DIR",
          "of the server or agent (default /var/lib/mkube)" },
        { .name = NULL },
    };

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n != 0)
        return verb_misused(self);
    server = certificates_of_server(data_dir);
    node = certificates_of_node(data_dir, server);
    if (server || node)
        return VERB_DONE;
    err_set(&err, ERR_NOT_FOUND, "neither a server nor an agent keeps certificates in %s",
            data_dir);
    return verb_fail(self, &err);
}
