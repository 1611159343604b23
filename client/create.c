/* mkube create: small things without a manifest, or what a file says. */
#include "base/bits.h"
#include "base/duration.h"
#include "base/file.h"
#include "base/mem.h"
#include "client/manifest.h"
#include "client/output.h"
#include "client/print.h"
#include "client/session.h"
#include "client/target.h"
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

#define CREATE_FILE_MAX (1024 * 1024) /* what a ConfigMap or Secret may hold */

struct create {
    struct session_opts session_opts;
    struct opt_list literals, files, env_files;
    const char *dry_run, *output_text, *type, *duration, *audience;
    const char *cert, *key, *server, *user, *password, *email, *from;
    struct output output;
};

#define CREATE_FLAGS(c)                                                                      \
    SESSION_FLAGS(&(c)->session_opts),                                                       \
        { "dry-run", 0, OPT_TEXT, &(c)->dry_run, "WHO", "client or server: store nothing" }, \
        OUTPUT_FLAG(&(c)->output_text, "yaml, json, name, jsonpath={...}")

/* --- sending --- */

static int create_tell(struct create *c, json_t *object)
{
    cleanup(json_decrefpp) json_t *items = json_pack("[O]", object);
    cleanup(text_fini) struct text out = TEXT_EMPTY;

    if (output_is_table(&c->output)) {
        print_name(&out, object);
        text_fmt(&out, " created%s\n",
                 str_eq(c->dry_run, "client")   ? " (dry run)"
                 : str_eq(c->dry_run, "server") ? " (server dry run)"
                                                : "");
    } else {
        output_print(&out, &c->output, items, true);
    }
    output_write(&out);
    return VERB_DONE;
}

static int create_refused(const struct schema_resource *r, const char *source,
                          const struct session_answer *answer, struct err *err)
{
    cleanup(freep) char *doing = NULL;

    if (source != NULL)
        doing = mem_fmt("error when creating \"%s\"", source);
    else if (!str_eq(r->plural, "namespaces") && answer->status != 0)
        return err_wrap(err, err->code, "failed to create %s", r->singular), verb_error(err);
    return session_complain(answer, err, doing);
}

static int create_send(struct create *c, struct session *s, json_t *object, const char *source)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    const struct schema_resource *r;
    const char *ns;
    struct err err = ERR_EMPTY;

    if (session_of_object(s, &r, &ns, object, &err) < 0)
        return verb_error(&err);
    if (ns != NULL && str_empty(json_str(object, "metadata.namespace")) &&
        c->session_opts.ns != NULL)
        json_put_str(object, "metadata.namespace", ns);
    if (str_eq(c->dry_run, "client"))
        return create_tell(c, object);
    target_path(&path, r, ns, NULL);
    session_query(&path, "fieldManager", "kubectl-create");
    session_query(&path, "fieldValidation", "Strict");
    if (c->dry_run != NULL)
        session_query(&path, "dryRun", "All");
    if (session_call(s, "POST", text_str(&path), SESSION_JSON, object, &answer, &err) < 0)
        return create_refused(r, source, &answer, &err);
    return create_tell(c, answer.body);
}

static int create_open(struct create *c, struct session **ret)
{
    struct err err = ERR_EMPTY;

    if (c->dry_run != NULL && !str_eq(c->dry_run, "client") && !str_eq(c->dry_run, "server"))
        err_set(&err, ERR_INVALID,
                "Invalid dry-run value (%s). Must be \"none\", \"server\", or \"client\".",
                c->dry_run);
    else if (output_parse(&c->output, c->output_text, &err) == 0)
        session_new(ret, &c->session_opts, &err);
    return err.code < 0 ? verb_error(&err) : VERB_DONE;
}

/* @object is consumed. */
static int create_one(struct create *c, json_t *object)
{
    cleanup(session_freep) struct session *session = NULL;
    int exit_code = create_open(c, &session);

    if (exit_code == VERB_DONE)
        exit_code = create_send(c, session, object, NULL);
    output_fini(&c->output);
    json_decref(object);
    return exit_code;
}

static json_t *create_object(const char *version, const char *kind, const char *name)
{
    return json_pack("{s:s,s:s,s:{s:n,s:s}}", "apiVersion", version, "kind", kind, "metadata",
                     "creationTimestamp", "name", name);
}

/* --- data of ConfigMaps and Secrets --- */

static int create_put(json_t *object, bool secret, const char *key, const char *data, size_t len,
                      struct err *err)
{
    json_t *text = secret ? NULL : json_stringn(data, len);
    const char *field = secret ? "data" : text != NULL ? "data" : "binaryData";
    cleanup(text_fini) struct text encoded = TEXT_EMPTY;

    if (text == NULL) {
        bits_base64(&encoded, data, len);
        text = json_string(text_str(&encoded));
    }
    if (json_at(object, field) == NULL)
        json_put(object, field, json_object());
    if (json_object_get(json_at(object, field), key) != NULL) {
        json_decref(text);
        return err_set(err, ERR_INVALID,
                       "cannot add key \"%s\", another key by that name already "
                       "exists",
                       key);
    }
    json_object_set_new(json_at(object, field), key, text);
    return 0;
}

static int create_literal(json_t *object, bool secret, const char *word, struct err *err)
{
    const char *equals = strchr(word, '=');
    cleanup(freep) char *key = NULL;

    if (equals == NULL || equals == word)
        return err_set(err, ERR_INVALID, "invalid literal source %s, expected key=value", word);
    key = mem_strn(word, (size_t)(equals - word));
    return create_put(object, secret, key, equals + 1, strlen(equals + 1), err);
}

/* "key=path" or "path". */
static int create_file(json_t *object, bool secret, const char *word, struct err *err)
{
    const char *equals = strchr(word, '='), *path = equals != NULL ? equals + 1 : word;
    const char *slash = strrchr(path, '/');
    cleanup(freep) char *key = equals != NULL ? mem_strn(word, (size_t)(equals - word))
                                              : mem_str(slash != NULL ? slash + 1 : path);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int rc = file_read(&t, path, CREATE_FILE_MAX, err);

    return rc < 0 ? rc : create_put(object, secret, key, text_str(&t), t.len, err);
}

/* Lines "KEY=value"; empty ones and comments are left out. */
static int create_env_file(json_t *object, bool secret, const char *path, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(strv_freep) char **lines = NULL;
    int rc = file_read(&t, path, CREATE_FILE_MAX, err);

    if (rc < 0)
        return rc;
    lines = str_split(text_str(&t), '\n');
    for (size_t i = 0; lines[i] != NULL && rc == 0; i++) {
        const char *line = lines[i] + strspn(lines[i], " \t");

        if (*line != '\0' && *line != '#')
            rc = create_literal(object, secret, line, err);
    }
    return rc;
}

static int create_data(const struct create *c, json_t *object, bool secret, struct err *err)
{
    int rc = 0;

    for (unsigned i = 0; i < c->literals.n && rc == 0; i++)
        rc = create_literal(object, secret, c->literals.values[i], err);
    for (unsigned i = 0; i < c->files.n && rc == 0; i++)
        rc = create_file(object, secret, c->files.values[i], err);
    for (unsigned i = 0; i < c->env_files.n && rc == 0; i++)
        rc = create_env_file(object, secret, c->env_files.values[i], err);
    return rc;
}

/* --- the kinds --- */

static int create_named(struct create *c, const struct verb *self, const struct opt *table,
                        int argc, char **argv, const char **ret_name, int *ret_exit)
{
    int n;

    (void)c;
    if (!verb_begin(self, table, argc, argv, &n, ret_exit))
        return VERB_FAILED;
    if (n != 1) {
        fprintf(stderr,
                "error: exactly one NAME is required, got %d\nSee 'mkube create %s -h' for "
                "help and examples\n",
                n, self->name);
        *ret_exit = VERB_FAILED;
        return VERB_FAILED;
    }
    *ret_name = argv[0];
    return VERB_DONE;
}

static int create_plain(const struct verb *self, int argc, char **argv, const char *kind)
{
    struct create c = { .dry_run = NULL };
    const struct opt table[] = { CREATE_FLAGS(&c), { .name = NULL } };
    const char *name;
    int exit_code;

    if (create_named(&c, self, table, argc, argv, &name, &exit_code) != VERB_DONE)
        return exit_code;
    return create_one(&c, create_object("v1", kind, name));
}

static int create_namespace(const struct verb *self, int argc, char **argv)
{
    return create_plain(self, argc, argv, "Namespace");
}

static int create_account(const struct verb *self, int argc, char **argv)
{
    return create_plain(self, argc, argv, "ServiceAccount");
}

static int create_config_map(const struct verb *self, int argc, char **argv)
{
    struct create c = { .dry_run = NULL };
    const struct opt table[] = {
        CREATE_FLAGS(&c),
        { "from-literal", 0, OPT_LIST, &c.literals, "KEY=VALUE", "an entry" },
        { "from-file", 0, OPT_LIST, &c.files, "[KEY=]FILE", "an entry with what the file holds" },
        { "from-env-file", 0, OPT_LIST, &c.env_files, "FILE", "an entry for each line KEY=value" },
        { .name = NULL },
    };
    const char *name;
    json_t *object;
    struct err err = ERR_EMPTY;
    int exit_code;

    if (create_named(&c, self, table, argc, argv, &name, &exit_code) != VERB_DONE)
        return exit_code;
    object = create_object("v1", "ConfigMap", name);
    if (create_data(&c, object, false, &err) < 0) {
        json_decref(object);
        return verb_error(&err);
    }
    return create_one(&c, object);
}

/* {"auths": {SERVER: {username, password, email, auth}}} */
static int create_registry(const struct create *c, json_t *object, struct err *err)
{
    const char *server = c->server != NULL ? c->server : "https://index.docker.io/v1/";
    cleanup(json_decrefpp) json_t *one = NULL;
    cleanup(json_decrefpp) json_t *all = NULL;
    cleanup(text_fini) struct text auth = TEXT_EMPTY;
    cleanup(freep) char *pair = NULL;
    cleanup(freep) char *text = NULL;

    if (c->user == NULL || c->password == NULL)
        return err_set(err, ERR_INVALID,
                       "either --from-file or the combination of --docker-username, "
                       "--docker-password and --docker-server is required");
    pair = mem_fmt("%s:%s", c->user, c->password);
    bits_base64(&auth, pair, strlen(pair));
    one = json_pack("{s:s,s:s}", "username", c->user, "password", c->password);
    if (c->email != NULL)
        json_put_str(one, "email", c->email);
    json_put_str(one, "auth", text_str(&auth));
    all = json_pack("{s:{s:O}}", "auths", server, one);
    text = json_print(all, NULL);
    return create_put(object, true, ".dockerconfigjson", text, strlen(text), err);
}

static int create_tls(const struct create *c, json_t *object, struct err *err)
{
    cleanup(freep) char *cert = NULL;
    cleanup(freep) char *key = NULL;
    int rc;

    if (c->cert == NULL || c->key == NULL)
        return err_set(err, ERR_INVALID, "key and cert must be specified");
    cert = mem_fmt("tls.crt=%s", c->cert);
    key = mem_fmt("tls.key=%s", c->key);
    rc = create_file(object, true, cert, err);
    return rc < 0 ? rc : create_file(object, true, key, err);
}

static int create_secret(const struct verb *self, int argc, char **argv)
{
    static const struct {
        const char *word, *type;
        int (*fill)(const struct create *c, json_t *object, struct err *err);
    } kinds[] = {
        { "generic", NULL, NULL },
        { "docker-registry", "kubernetes.io/dockerconfigjson", create_registry },
        { "tls", "kubernetes.io/tls", create_tls },
    };
    struct create c = { .dry_run = NULL };
    const struct opt table[] = {
        CREATE_FLAGS(&c),
        { "from-literal", 0, OPT_LIST, &c.literals, "KEY=VALUE", "an entry" },
        { "from-file", 0, OPT_LIST, &c.files, "[KEY=]FILE", "an entry with what the file holds" },
        { "from-env-file", 0, OPT_LIST, &c.env_files, "FILE", "an entry for each line KEY=value" },
        { "type", 0, OPT_TEXT, &c.type, "TYPE", "generic: the Secret's type" },
        { "cert", 0, OPT_TEXT, &c.cert, "FILE", "tls: the certificate in PEM" },
        { "key", 0, OPT_TEXT, &c.key, "FILE", "tls: its key in PEM" },
        { "docker-server", 0, OPT_TEXT, &c.server, "HOST", "docker-registry: which" },
        { "docker-username", 0, OPT_TEXT, &c.user, "NAME", "docker-registry: as whom" },
        { "docker-password", 0, OPT_TEXT, &c.password, "WORD", "docker-registry: the password" },
        { "docker-email", 0, OPT_TEXT, &c.email, "ADDRESS", "docker-registry: optional" },
        { .name = NULL },
    };
    struct err err = ERR_EMPTY;
    json_t *object;
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    for (size_t i = 0; i < N_ELEMENTS(kinds) && n == 2; i++) {
        if (!str_eq(argv[0], kinds[i].word))
            continue;
        object = create_object("v1", "Secret", argv[1]);
        if (c.type != NULL || kinds[i].type != NULL)
            json_put_str(object, "type", c.type != NULL ? c.type : kinds[i].type);
        if (kinds[i].fill == NULL || c.files.n > 0 ? create_data(&c, object, true, &err) < 0
                                                   : kinds[i].fill(&c, object, &err) < 0) {
            json_decref(object);
            return verb_error(&err);
        }
        return create_one(&c, object);
    }
    return verb_misused(self);
}

static int create_token(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *body = json_pack(
        "{s:s,s:s,s:{}}", "apiVersion", "authentication.k8s.io/v1", "kind", "TokenRequest", "spec");
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct create c = { .dry_run = NULL };
    const struct opt table[] = {
        SESSION_FLAGS(&c.session_opts),
        { "duration", 0, OPT_TEXT, &c.duration, "DURATION", "how long it is good" },
        { "audience", 0, OPT_TEXT, &c.audience, "NAME", "whom it is for" },
        { .name = NULL },
    };
    struct err err = ERR_EMPTY;
    const char *name;
    int64_t ms = 0;
    int exit_code;

    if (create_named(&c, self, table, argc, argv, &name, &exit_code) != VERB_DONE)
        return exit_code;
    if (c.duration != NULL && (!duration_parse(c.duration, &ms) || ms <= 0))
        err_set(&err, ERR_INVALID, "--duration must be positive, such as 10m or 24h");
    if (err.code < 0 || session_new(&session, &c.session_opts, &err) < 0)
        return verb_error(&err);
    if (ms > 0)
        json_put_int(body, "spec.expirationSeconds", ms / 1000);
    if (c.audience != NULL)
        json_put(body, "spec.audiences", json_pack("[s]", c.audience));
    target_path(&path, schema_resource("", "v1", "serviceaccounts"), session_namespace(session),
                name);
    text_puts(&path, "/token");
    if (session_call(session, "POST", text_str(&path), SESSION_JSON, body, &answer, &err) < 0)
        return err_wrap(&err, err.code, "failed to create token"), verb_error(&err);
    printf("%s\n", json_str_or(answer.body, "status.token", ""));
    return VERB_DONE;
}

/* A run of a CronJob now. */
static int create_job(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct create c = { .dry_run = NULL };
    const struct opt table[] = {
        CREATE_FLAGS(&c),
        { "from", 0, OPT_TEXT, &c.from, "cronjob/NAME", "whose template" },
        { .name = NULL },
    };
    struct err err = ERR_EMPTY;
    const char *name;
    json_t *object;
    int exit_code;

    if (create_named(&c, self, table, argc, argv, &name, &exit_code) != VERB_DONE)
        return exit_code;
    if (c.from == NULL || (!str_starts(c.from, "cronjob/") && !str_starts(c.from, "cj/")))
        return verb_misused(self);
    exit_code = create_open(&c, &session);
    if (exit_code != VERB_DONE)
        return exit_code;
    target_path(&path, schema_resource("batch", "v1", "cronjobs"), session_namespace(session),
                strchr(c.from, '/') + 1);
    if (session_call(session, "GET", text_str(&path), NULL, NULL, &answer, &err) < 0)
        return session_complain(&answer, &err, NULL);
    object = create_object("batch/v1", "Job", name);
    json_put(object, "metadata.annotations",
             json_pack("{s:s}", "cronjob.kubernetes.io/instantiate", "manual"));
    json_put(object, "metadata.ownerReferences",
             json_pack("[{s:s,s:s,s:s,s:s,s:b}]", "apiVersion", "batch/v1", "kind", "CronJob",
                       "name", json_str_or(answer.body, "metadata.name", ""), "uid",
                       json_str_or(answer.body, "metadata.uid", ""), "controller", 1));
    json_put(object, "spec", json_deep_copy(json_at(answer.body, "spec.jobTemplate.spec")));
    exit_code = create_send(&c, session, object, NULL);
    json_decref(object);
    output_fini(&c.output);
    return exit_code;
}

/* --- files --- */

static int create_from_files(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    struct create c = { .dry_run = NULL };
    bool recursive = false;
    const struct opt table[] = {
        { "filename", 'f', OPT_LIST, &c.files, "FILE", "file, directory, or - for standard input" },
        { "recursive", 'R', OPT_FLAG, &recursive, NULL, "directories with those below" },
        CREATE_FLAGS(&c),
        { .name = NULL },
    };
    cleanup(manifest_fini) struct manifest m = { .n = 0 };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n > 0 || c.files.n == 0)
        return verb_misused(self);
    exit_code = create_open(&c, &session);
    for (unsigned i = 0; i < c.files.n && session != NULL; i++)
        manifest_read(&m, c.files.values[i], recursive);
    for (size_t i = 0; i < m.n; i++) {
        if (m.objects[i].tree == NULL)
            exit_code = verb_error(m.objects[i].err);
        else if (create_send(&c, session, m.objects[i].tree, m.objects[i].source) != VERB_DONE)
            exit_code = VERB_FAILED;
    }
    output_fini(&c.output);
    return exit_code;
}

static const struct verb create_kinds[] = {
    { "namespace", "a namespace", "mkube create namespace NAME", create_namespace },
    { "ns", "a namespace", "mkube create ns NAME", create_namespace },
    { "configmap", "a ConfigMap from words and files",
      "mkube create configmap NAME --from-literal=K=V --from-file=[K=]FILE", create_config_map },
    { "cm", "a ConfigMap", "mkube create cm NAME", create_config_map },
    { "secret", "a Secret: generic, tls, docker-registry",
      "mkube create secret generic|tls|docker-registry NAME [flags]", create_secret },
    { "serviceaccount", "a ServiceAccount", "mkube create serviceaccount NAME", create_account },
    { "sa", "a ServiceAccount", "mkube create sa NAME", create_account },
    { "token", "a token of a ServiceAccount", "mkube create token NAME [--duration 1h]",
      create_token },
    { "job", "a run of a CronJob now", "mkube create job NAME --from=cronjob/NAME", create_job },
};

int create_main(const struct verb *self, int argc, char **argv)
{
    if (argc > 0 && argv[0][0] == '-' && !str_eq(argv[0], "-h") && !str_eq(argv[0], "--help"))
        return create_from_files(self, argc, argv);
    return verb_choose(self, create_kinds, N_ELEMENTS(create_kinds), argc, argv);
}
