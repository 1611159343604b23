/* mkube apply: makes the cluster hold what manifests say, as `kubectl apply` does. */
#include "api/patch_diff.h"
#include "base/mem.h"
#include "client/manifest.h"
#include "client/output.h"
#include "client/print.h"
#include "client/session.h"
#include "client/target.h"
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

/* kubectl's own names, so that both may be used on the same objects. */
#define APPLY_NOTE      "kubectl.kubernetes.io/last-applied-configuration"
#define APPLY_MANAGER   "kubectl-client-side-apply"
#define APPLY_STRATEGIC "application/strategic-merge-patch+json"
#define APPLY_MERGE     "application/merge-patch+json"
#define APPLY_SERVER    "application/apply-patch+yaml" /* JSON is YAML */

struct apply {
    struct session *session;  /* borrowed */
    bool dry_run, dry_client; /* the server says what it would do; or nobody is asked to */
    bool server_side, force_conflicts, recursive;
    const char *manager, *dry_text, *output_text;
    struct output output;
    json_t *applied; /* owned: the objects as they are now, for -o */
    unsigned failed;
};

/* What is under way with one object. */
struct apply_object {
    const char *source; /* borrowed */
    const struct schema_resource *resource;
    const char *ns; /* borrowed, NULL: cluster-wide */
    json_t *want;   /* owned: with the note of what was applied */
};

static void apply_fail(struct apply *a, const char *source, const char *name, const struct err *err)
{
    fflush(stdout);
    fprintf(stderr, "error: %s%s%s: %s\n", source, name != NULL ? ": " : "",
            name != NULL ? name : "", err->text);
    a->failed++;
}

static void apply_refused(struct apply *a, const struct apply_object *o,
                          const struct session_answer *answer, const struct err *err,
                          const char *doing)
{
    cleanup(freep) char *text = mem_fmt("error when %s \"%s\"", doing, o->source);

    session_complain(answer, err, text);
    a->failed++;
}

static void apply_say(struct apply *a, const struct apply_object *o, const char *what,
                      const json_t *now)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (!output_is_table(&a->output)) {
        json_array_append(a->applied, (json_t *)(uintptr_t)now);
        return;
    }
    print_name(&t, o->want);
    printf("%s %s%s\n", text_str(&t), what,
           a->dry_client ? " (dry run)"
           : a->dry_run  ? " (server dry run)"
                         : "");
    fflush(stdout);
}

/* --- the note: what was applied, kept in the object itself --- */

static void apply_put_note(json_t *want)
{
    json_t *notes = json_at(want, "metadata.annotations");
    cleanup(freep) char *text = NULL;
    cleanup(freep) char *line = NULL;

    if (!json_is_object(notes)) {
        json_put(want, "metadata.annotations", json_object());
        notes = json_at(want, "metadata.annotations");
    }
    json_object_del(notes, APPLY_NOTE);
    text = json_print_sorted(want, NULL);
    line = mem_fmt("%s\n", text);
    json_object_set_new(notes, APPLY_NOTE, json_string(line));
}

/* NULL when the object was made by other means, or the note is damaged. */
static json_t *apply_read_note(const json_t *live)
{
    const json_t *notes = json_at(live, "metadata.annotations");
    const char *text = json_string_value(json_object_get(notes, APPLY_NOTE));
    struct err ignored = ERR_EMPTY;
    json_t *last = NULL;

    if (text == NULL || json_parse(&last, text, strlen(text), NULL, &ignored) < 0)
        return NULL;
    return last;
}

/* --- calls --- */

static void apply_options(struct text *path, const struct apply *a)
{
    session_query(path, "fieldManager", a->manager);
    session_query(path, "fieldValidation", "Strict");
    if (a->dry_run)
        session_query(path, "dryRun", "All");
}

static void apply_create(struct apply *a, const struct apply_object *o)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (a->dry_client) {
        apply_say(a, o, "created", o->want);
        return;
    }
    target_path(&path, o->resource, o->ns, NULL);
    apply_options(&path, a);
    if (session_call(a->session, "POST", text_str(&path), "application/json", o->want, &answer,
                     &err) < 0)
        apply_refused(a, o, &answer, &err, "creating");
    else
        apply_say(a, o, "created", answer.body);
}

/* Sends the patch; an answer with the old revision says that it changed nothing. */
static void apply_send(struct apply *a, const struct apply_object *o, const json_t *live,
                       const json_t *patch, const char *type)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    target_path(&path, o->resource, o->ns, json_str(o->want, "metadata.name"));
    apply_options(&path, a);
    if (session_call(a->session, "PATCH", text_str(&path), type, patch, &answer, &err) < 0)
        apply_refused(a, o, &answer, &err, "patching");
    else if (a->dry_run ? json_equal(live, answer.body)
                        : str_eq(json_str(live, "metadata.resourceVersion"),
                                 json_str(answer.body, "metadata.resourceVersion")))
        apply_say(a, o, "unchanged", answer.body);
    else
        apply_say(a, o, "configured", answer.body);
}

static void apply_change(struct apply *a, const struct apply_object *o, const json_t *live)
{
    cleanup(json_decrefpp) json_t *last = apply_read_note(live);
    cleanup(json_decrefpp) json_t *patch = NULL;
    bool strategic = !o->resource->foreign;
    const char *type = strategic ? APPLY_STRATEGIC : APPLY_MERGE;
    struct err err = ERR_EMPTY;
    int rc;

    if (last == NULL)
        fprintf(stderr,
                "Warning: resource %s/%s is missing the " APPLY_NOTE " annotation which is "
                "required by apply. It will be patched automatically.\n",
                o->resource->plural, json_str_or(o->want, "metadata.name", ""));
    rc = patch_diff(&patch, last, o->want, live, strategic ? o->resource->type : NULL, &err);
    if (rc == PATCH_DIFF_AMBIGUOUS) {
        type = APPLY_MERGE;
        rc = patch_diff(&patch, last, o->want, live, NULL, &err);
    }
    if (rc < 0)
        apply_fail(a, o->source, json_str(o->want, "metadata.name"), &err);
    else if (json_object_size(patch) == 0)
        apply_say(a, o, "unchanged", live);
    else if (a->dry_client)
        apply_say(a, o, "configured", o->want);
    else
        apply_send(a, o, live, patch, type);
}

/* The server merges, and keeps who owns which field. */
static void apply_on_server(struct apply *a, const struct apply_object *o)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    target_path(&path, o->resource, o->ns, json_str(o->want, "metadata.name"));
    apply_options(&path, a);
    session_query(&path, "force", a->force_conflicts ? "true" : "false");
    if (session_call(a->session, "PATCH", text_str(&path), APPLY_SERVER, o->want, &answer, &err) <
        0)
        apply_refused(a, o, &answer, &err, "patching");
    else
        apply_say(a, o, "serverside-applied", answer.body);
}

static void apply_object(struct apply *a, const struct manifest_object *from)
{
    cleanup(session_answer_fini) struct session_answer live = { .status = 0 };
    cleanup(json_decrefpp) json_t *want = NULL;
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct apply_object o = { .source = from->source };
    struct err err = ERR_EMPTY;
    int rc;

    if (from->tree == NULL) {
        apply_fail(a, from->source, NULL, from->err);
        return;
    }
    rc = session_of_object(a->session, &o.resource, &o.ns, from->tree, &err);
    if (rc < 0) {
        apply_fail(a, from->source, json_str(from->tree, "metadata.name"), &err);
        return;
    }
    o.want = want = json_deep_copy(from->tree);
    if (o.ns != NULL)
        json_put_str(want, "metadata.namespace", o.ns);
    if (a->server_side) {
        apply_on_server(a, &o);
        return;
    }
    apply_put_note(want);
    target_path(&path, o.resource, o.ns, json_str(want, "metadata.name"));
    rc = session_call(a->session, "GET", text_str(&path), NULL, NULL, &live, &err);
    if (rc == 0)
        apply_change(a, &o, live.body);
    else if (live.status == 404)
        apply_create(a, &o);
    else
        apply_refused(a, &o, &live, &err, "retrieving current configuration of");
}

/* --- the verb --- */

static int apply_sources(struct apply *a, const struct opt_list *files)
{
    for (unsigned i = 0; i < files->n; i++) {
        cleanup(manifest_fini) struct manifest m = { .n = 0 };

        manifest_read(&m, files->values[i], a->recursive);
        if (m.n == 0) {
            fprintf(stderr, "error: no objects passed to apply: %s\n", files->values[i]);
            a->failed++;
        }
        for (size_t k = 0; k < m.n; k++)
            apply_object(a, &m.objects[k]);
    }
    return a->failed == 0 ? VERB_DONE : VERB_FAILED;
}

/* "--dry-run" alone is the server's, as it always was here. */
static int apply_check(struct apply *a, struct err *err)
{
    int rc = output_parse(&a->output, a->output_text, err);

    if (rc < 0)
        return rc;
    if (a->dry_text != NULL && !str_eq(a->dry_text, "none")) {
        a->dry_client = str_eq(a->dry_text, "client");
        a->dry_run = a->dry_text[0] == '\0' || str_eq(a->dry_text, "server");
        if (!a->dry_client && !a->dry_run)
            return err_set(
                err, ERR_INVALID,
                "Invalid dry-run value (%s). Must be \"none\", \"server\", or \"client\".",
                a->dry_text);
    }
    if (a->server_side && a->dry_client)
        return err_set(err, ERR_INVALID,
                       "--dry-run=client doesn't work with --server-side (did you mean "
                       "--dry-run=server instead?)");
    if (a->force_conflicts && !a->server_side)
        return err_set(err, ERR_INVALID, "--force-conflicts only works with --server-side");
    if (a->manager == NULL)
        a->manager = a->server_side ? "kubectl" : APPLY_MANAGER;
    return 0;
}

int apply_main(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    struct session_opts session_opts = { .ns = NULL };
    struct opt_list files = { .n = 0 };
    struct apply a = { .failed = 0 };
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        { "filename", 'f', OPT_LIST, &files, "FILE",
          "file, directory, or - for standard input; may be repeated" },
        { "recursive", 'R', OPT_FLAG, &a.recursive, NULL, "directories with those below" },
        SESSION_FLAGS(&session_opts),
        { "dry-run", 0, OPT_MAYBE, &a.dry_text, "WHO",
          "client or server says what would be done; nothing is stored" },
        { "server-side", 0, OPT_FLAG, &a.server_side, NULL,
          "the server merges and keeps who owns which field" },
        { "force-conflicts", 0, OPT_FLAG, &a.force_conflicts, NULL,
          "with --server-side: take fields over from their owners" },
        { "field-manager", 0, OPT_TEXT, &a.manager, "NAME", "who applies" },
        OUTPUT_FLAG(&a.output_text, "what was applied: yaml, json, name, jsonpath={...}"),
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n != 0 || files.n == 0) {
        err_set(&err, ERR_INVALID, "must specify one of -f and -k");
        return n != 0 ? verb_misused(self) : verb_error(&err);
    }
    if (apply_check(&a, &err) < 0 || session_new(&session, &session_opts, &err) < 0)
        return verb_error(&err);
    a.session = session;
    a.applied = json_array();
    exit_code = apply_sources(&a, &files);
    if (json_array_size(a.applied) > 0)
        output_print(&out, &a.output, a.applied, json_array_size(a.applied) == 1);
    output_write(&out);
    output_fini(&a.output);
    json_decref(a.applied);
    return exit_code;
}
