/* mkube image pull|load: what the agent runs beside itself to bring images to this node; also
 * for people who want an image there before its pod. */
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "nodeagent/image_pull.h"

#include <stdio.h>
#include <string.h>

static int image_read_credentials(char user[256], char password[4096], struct err *err)
{
    if (fgets(user, 256, stdin) == NULL || fgets(password, 4096, stdin) == NULL)
        return err_set(err, ERR_INVALID, "no credentials on standard input");
    user[strcspn(user, "\n")] = '\0';
    password[strcspn(password, "\n")] = '\0';
    return 0;
}

int cmd_image(const struct verb *self, int argc, char **argv)
{
    struct err err = ERR_EMPTY;
    const char *data_dir = "/var/lib/mkube";
    struct opt_list mirrors = { .n = 0 };
    bool credentials = false;
    char user[256], password[4096];
    struct image_layout layout;
    cleanup(json_decrefpp) json_t *record = NULL;
    int n, exit_code, rc;
    const struct opt table[] = {
        { "data-dir", 'd', OPT_TEXT, &data_dir, "DIR",
          "of the agent on this host (default /var/lib/mkube)" },
        { "registry-mirror", 0, OPT_LIST, &mirrors, "HOST=URL",
          "ask URL for images of HOST (* = all); may be repeated" },
        { "credentials-stdin", 0, OPT_FLAG, &credentials, NULL,
          "read user and password, a line each, from standard input" },
        { .name = NULL },
    };
    struct image_pull_opts opts = { .mirrors = mirrors.values };

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n != 2 || (!str_eq(argv[0], "pull") && !str_eq(argv[0], "load"))) {
        fprintf(stderr, "Usage: %s\n", self->usage);
        return VERB_USAGE;
    }
    rc = image_layout_init(&layout, data_dir, &err);
    if (rc == 0 && credentials) {
        rc = image_read_credentials(user, password, &err);
        opts.user = user;
        opts.password = password;
    }
    opts.ref = argv[1];
    if (rc == 0)
        rc = str_eq(argv[0], "pull") ? image_pull(&layout, &opts, &record, &err)
                                     : image_load_dir(&layout, argv[1], &err);
    if (rc < 0)
        return verb_fail(self, &err);
    if (record != NULL)
        printf("%s %s\n", json_str_or(record, "ref", ""), json_str_or(record, "id", ""));
    return VERB_DONE;
}
