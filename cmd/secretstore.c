/* mkube secretstore: the keys that ExternalSecrets are made of (api/secret_store.h). */
#include "api/secret_store.h"
#include "base/mem.h"
#include "client/session.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As much as a Secret holds. */
#define SECRETSTORE_VALUE_MAX (1024 * 1024)
#define SECRETSTORE_PATH      "/api/v1/namespaces/" SECRET_STORE_NS "/secrets"

struct secretstore {
    struct session *session; /* borrowed */
    const char *file;        /* --from-file, or NULL */
};

/* --- one key --- */

static char *secretstore_path(const char *key)
{
    char name[SECRET_STORE_NAME_MAX];

    secret_store_name(name, key);
    return mem_fmt(SECRETSTORE_PATH "/%s", name);
}

/* The Secret of @key; NULL in *ret when there is none. */
static int secretstore_read(struct secretstore *s, const char *key, json_t **ret, struct err *err)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(freep) char *path = secretstore_path(key);
    int rc = session_get(s->session, path, SESSION_JSON, &answer, err);

    *ret = NULL;
    if (rc < 0 && answer.status == 404)
        return 0;
    if (rc == 0)
        *ret = json_incref(answer.body);
    return rc;
}

/* Its value; ERR_NOT_FOUND. */
static int secretstore_value(struct secretstore *s, const char *key, struct text *ret,
                             struct err *err)
{
    cleanup(json_decrefpp) json_t *secret = NULL;
    int rc = secretstore_read(s, key, &secret, err);

    if (rc == 0 && (secret == NULL || !secret_store_value(ret, secret, key)))
        rc = err_set(err, ERR_NOT_FOUND, "key \"%s\" does not exist", key);
    return rc;
}

/* --- put --- */

static int secretstore_slurp(const char *path, struct text *ret, struct err *err)
{
    FILE *f = str_eq(path, "-") ? stdin : fopen(path, "rbe");
    char buf[16384];
    size_t n;
    int rc = 0;

    if (f == NULL)
        return err_errno(err, errno, "%s", path);
    while (rc == 0 && (n = fread(buf, 1, sizeof(buf), f)) > 0) {
        text_add(ret, buf, n);
        if (ret->len > SECRETSTORE_VALUE_MAX)
            rc = err_set(err, ERR_LIMIT, "%s: more than %d bytes", path, SECRETSTORE_VALUE_MAX);
    }
    if (rc == 0 && ferror(f))
        rc = err_set(err, ERR_IO, "%s: cannot be read", path);
    if (f != stdin)
        fclose(f);
    return rc;
}

/* The properties in @pairs beside those that @have (the present value, maybe none) has. */
static int secretstore_merge(struct text *ret, const struct text *have, char **pairs, size_t n,
                             struct err *err)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct err bad = ERR_EMPTY;

    if (have->len > 0 &&
        (json_parse(&tree, text_str(have), have->len, NULL, &bad) < 0 || !json_is_object(tree)))
        return err_set(err, ERR_INVALID,
                       "the present value is no JSON object: delete the key first, or replace it "
                       "with --from-file");
    if (tree == NULL)
        tree = json_object();
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(pairs[i], '=');
        cleanup(freep) char *name = mem_strn(pairs[i],
                                             equals != NULL ? (size_t)(equals - pairs[i]) : 0);

        if (name[0] == '\0')
            return err_set(err, ERR_INVALID, "\"%s\" is not PROPERTY=VALUE", pairs[i]);
        if (json_object_set_new(tree, name, json_string(equals + 1)) < 0)
            return err_set(err, ERR_INVALID, "\"%s\" is no UTF-8 text: use --from-file", name);
    }
    json_print_to(ret, tree);
    return 0;
}

static int secretstore_write(struct secretstore *s, const char *key, const json_t *before,
                             const struct text *value, struct err *err)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *tree = secret_store_tree(key, text_str(value), value->len);
    cleanup(freep) char *path = before != NULL ? secretstore_path(key) : mem_str(SECRETSTORE_PATH);
    int rc;

    if (before != NULL)
        json_put_str(tree, "metadata.resourceVersion",
                     json_str_or(before, "metadata.resourceVersion", ""));
    rc = session_call(s->session, before != NULL ? "PUT" : "POST", path, "application/json", tree,
                      &answer, err);
    if (rc == 0)
        printf("key \"%s\" %s\n", key, before != NULL ? "updated" : "created");
    return rc;
}

static int secretstore_put(struct secretstore *s, int argc, char **argv, struct err *err)
{
    cleanup(json_decrefpp) json_t *before = NULL;
    cleanup(text_fini) struct text have = TEXT_EMPTY, value = TEXT_EMPTY;
    const char *key = argv[0];
    int rc;

    if (strlen(key) > SECRET_STORE_KEY_MAX)
        return err_set(err, ERR_INVALID, "a key has at most %d bytes", SECRET_STORE_KEY_MAX);
    if ((s->file != NULL) == (argc > 1))
        return err_set(err, ERR_INVALID, "say either PROPERTY=VALUE... or --from-file FILE");
    rc = secretstore_read(s, key, &before, err);
    if (rc == 0 && s->file != NULL)
        rc = secretstore_slurp(s->file, &value, err);
    if (rc == 0 && s->file == NULL) {
        if (before != NULL)
            secret_store_value(&have, before, key);
        rc = secretstore_merge(&value, &have, argv + 1, (size_t)argc - 1, err);
    }
    return rc < 0 ? rc : secretstore_write(s, key, before, &value, err);
}

/* --- get, list, delete --- */

static int secretstore_get(struct secretstore *s, int argc, char **argv, struct err *err)
{
    cleanup(text_fini) struct text value = TEXT_EMPTY, part = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *tree = NULL;
    const struct text *show = &value;
    int rc = secretstore_value(s, argv[0], &value, err);

    if (rc == 0 && argc > 1) {
        struct err bad = ERR_EMPTY;
        const json_t *at = NULL;

        if (json_parse(&tree, text_str(&value), value.len, NULL, &bad) == 0)
            at = secret_store_property(tree, argv[1]);
        if (at == NULL)
            return err_set(err, ERR_NOT_FOUND, "key \"%s\" has no property \"%s\"", argv[0],
                           argv[1]);
        secret_store_print(&part, at);
        show = &part;
    }
    if (rc < 0)
        return rc;
    fwrite(text_str(show), 1, show->len, stdout);
    if (isatty(STDOUT_FILENO))
        putchar('\n');
    return 0;
}

/* Names of its properties; "<text>" for a value that has none. */
static void secretstore_print_row(const json_t *secret)
{
    const char *key = json_string_value(
        json_object_get(json_at(secret, "metadata.annotations"), SECRET_STORE_KEY));
    cleanup(text_fini) struct text value = TEXT_EMPTY, names = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct err bad = ERR_EMPTY;
    const char *name;
    json_t *member;

    if (key == NULL || !secret_store_value(&value, secret, key))
        return;
    if (json_parse(&tree, text_str(&value), value.len, NULL, &bad) == 0)
        json_object_foreach (tree, name, member)
            text_fmt(&names, "%s%s", names.len > 0 ? "," : "", name);
    printf("%-40s %s\n", key, names.len > 0 ? text_str(&names) : "<text>");
}

static int secretstore_list(struct secretstore *s, int argc UNUSED, char **argv UNUSED,
                            struct err *err)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    const json_t *item;
    size_t i;
    int rc = session_get(s->session, SECRETSTORE_PATH "?labelSelector=mkube.io%2Fsecretstore",
                         SESSION_JSON, &answer, err);

    if (rc < 0)
        return rc;
    printf("%-40s %s\n", "KEY", "PROPERTIES");
    json_array_foreach (json_object_get(answer.body, "items"), i, item)
        secretstore_print_row(item);
    return 0;
}

static int secretstore_delete(struct secretstore *s, int argc UNUSED, char **argv, struct err *err)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(freep) char *path = secretstore_path(argv[0]);
    int rc = session_call(s->session, "DELETE", path, "application/json", NULL, &answer, err);

    if (rc < 0 && answer.status == 404)
        return err_set(err, ERR_NOT_FOUND, "key \"%s\" does not exist", argv[0]);
    if (rc == 0)
        printf("key \"%s\" deleted\n", argv[0]);
    return rc;
}

/* --- the verb --- */

static const struct {
    const char *name;
    int min, max; /* arguments */
    int (*run)(struct secretstore *s, int argc, char **argv, struct err *err);
} secretstore_verbs[] = {
    { "put", 1, 1000, secretstore_put },
    { "get", 1, 2, secretstore_get },
    { "list", 0, 0, secretstore_list },
    { "delete", 1, 1, secretstore_delete },
};

int cmd_secretstore(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    struct session_opts opts = { .kubeconfig = NULL };
    struct secretstore s = { .session = NULL };
    struct err err = ERR_EMPTY;
    int n, exit_code;
    const struct opt table[] = {
        { "from-file", 'f', OPT_TEXT, &s.file, "FILE", "put: the whole value (\"-\": from stdin)" },
        { "kubeconfig", 0, OPT_TEXT, &opts.kubeconfig, "FILE",
          "default $KUBECONFIG, else this host's server, else ~/.kube/config" },
        { .name = NULL },
    };

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    for (size_t i = 0; n > 0 && i < N_ELEMENTS(secretstore_verbs); i++) {
        if (!str_eq(argv[0], secretstore_verbs[i].name) || n - 1 < secretstore_verbs[i].min ||
            n - 1 > secretstore_verbs[i].max)
            continue;
        if (session_new(&session, &opts, &err) < 0)
            return verb_fail(self, &err);
        s.session = session;
        return secretstore_verbs[i].run(&s, n - 1, argv + 1, &err) < 0 ? verb_fail(self, &err)
                                                                       : VERB_DONE;
    }
    fprintf(stderr, "Usage: %s\n", self->usage);
    return VERB_USAGE;
}
