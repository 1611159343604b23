/* mkube delete: objects by name, by labels, or those of manifests; waits until they are gone. */
#include "base/mem.h"
#include "client/manifest.h"
#include "client/session.h"
#include "client/target.h"
#include "client/verbs.h"

#include <stdio.h>

struct delete
{
    struct session *session; /* borrowed */
    const char *selector;
    bool wait, all, ignore_absent, forced_ns;
    int64_t grace_s; /* -1: the object's own */
    bool failed;
    json_t *gone; /* owned: {list, name, uid} of those to wait for */
};

static void delete_refused(struct delete *d, const struct session_answer *answer,
                           const struct err *err)
{
    session_complain(answer, err, NULL);
    d->failed = true;
}

/* --- deleting --- */

static void delete_say(const struct schema_resource *r, const char *name, bool now)
{
    cleanup(text_fini) struct text kind = TEXT_EMPTY;

    target_kind(&kind, r);
    printf("%s \"%s\" %s\n", text_str(&kind), name, now ? "force deleted" : "deleted");
    fflush(stdout);
}

/* The answer is the object that is on its way out, or a Status that tells its uid. */
static void delete_note(struct delete *d, const struct schema_resource *r, const char *ns,
                        const char *name, const json_t *answer)
{
    cleanup(text_fini) struct text list = TEXT_EMPTY;
    const char *uid = json_str(answer, "metadata.uid");

    if (uid == NULL)
        uid = json_str_or(answer, "details.uid", "");
    target_path(&list, r, ns, NULL);
    json_array_append_new(
        d->gone, json_pack("{s:s,s:s,s:s}", "list", text_str(&list), "name", name, "uid", uid));
}

static void delete_one(struct delete *d, const struct schema_resource *r, const char *ns,
                       const char *name)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp)
        json_t *options = json_pack("{s:s,s:s,s:s}", "apiVersion", "v1", "kind", "DeleteOptions",
                                    "propagationPolicy", "Background");
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc;

    if (d->grace_s >= 0)
        json_put_int(options, "gracePeriodSeconds", d->grace_s);
    target_path(&path, r, ns, name);
    rc = session_call(d->session, "DELETE", text_str(&path), "application/json", options, &answer,
                      &err);
    if (rc < 0 && answer.status == 404 && d->ignore_absent)
        return;
    if (rc < 0) {
        delete_refused(d, &answer, &err);
        return;
    }
    delete_say(r, name, d->grace_s == 0);
    delete_note(d, r, ns, name, answer.body);
}

/* Those of a kind that the labels pick. */
static void delete_selected(struct delete *d, const struct schema_resource *r)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    const char *ns = session_namespace(d->session);
    struct err err = ERR_EMPTY;
    const json_t *item;
    size_t i;

    target_path(&path, r, ns, NULL);
    if (d->selector != NULL)
        session_query(&path, "labelSelector", d->selector);
    if (session_call(d->session, "GET", text_str(&path), NULL, NULL, &answer, &err) < 0) {
        delete_refused(d, &answer, &err);
        return;
    }
    if (json_array_size(json_at(answer.body, "items")) == 0)
        fprintf(stderr, "No resources found\n");
    json_array_foreach (json_at(answer.body, "items"), i, item)
        delete_one(d, r, ns, json_str_or(item, "metadata.name", ""));
}

static void delete_manifests(struct delete *d, const struct opt_list *files)
{
    for (unsigned i = 0; i < files->n; i++) {
        cleanup(manifest_fini) struct manifest m = { .n = 0 };

        manifest_read(&m, files->values[i]);
        for (size_t k = 0; k < m.n; k++) {
            const struct schema_resource *r;
            const char *ns;
            struct err err = ERR_EMPTY;
            const struct manifest_object *o = &m.objects[k];
            int rc = o->tree == NULL
                         ? o->err->code
                         : target_of_object(&r, &ns, o->tree, session_namespace(d->session),
                                            d->forced_ns, &err);

            if (rc == 0) {
                delete_one(d, r, ns, json_str_or(o->tree, "metadata.name", ""));
                continue;
            }
            fprintf(stderr, "error: %s: %s\n", o->source,
                    o->tree == NULL ? o->err->text : err.text);
            d->failed = true;
        }
    }
}

/* --- waiting --- */

struct delete_wait {
    const char *uid; /* "": any */
    bool gone;
};

static int delete_on_event(void *arg, const char *type, const json_t *object)
{
    struct delete_wait *w = arg;
    const char *uid = json_str_or(object, "metadata.uid", "");

    if (str_eq(type, "BOOKMARK"))
        return 0;
    w->gone = str_eq(type, "DELETED") || (w->uid[0] != '\0' && !str_eq(uid, w->uid));
    return w->gone ? 1 : 0;
}

static bool delete_is_listed(const json_t *list, const char *uid)
{
    const json_t *item;
    size_t i;

    json_array_foreach (json_at(list, "items"), i, item)
        if (uid[0] == '\0' || str_eq(json_str(item, "metadata.uid"), uid))
            return true;
    return false;
}

/* Lists and watches the one name, again when a watch ends early.  False: told why not. */
static bool delete_wait_one(struct delete *d, const json_t *what)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(freep) char *pick = mem_fmt("metadata.name=%s", json_str(what, "name"));
    struct delete_wait w = { .uid = json_str(what, "uid") };
    struct err err = ERR_EMPTY;

    while (!w.gone) {
        cleanup(text_fini) struct text path = TEXT_EMPTY;
        int rc;

        text_puts(&path, json_str(what, "list"));
        session_query(&path, "fieldSelector", pick);
        rc = session_call(d->session, "GET", text_str(&path), NULL, NULL, &answer, &err);
        if (rc == 0 && !delete_is_listed(answer.body, w.uid))
            return true;
        if (rc == 0) {
            session_query(&path, "resourceVersion",
                          json_str_or(answer.body, "metadata.resourceVersion", "0"));
            session_query(&path, "watch", "true");
            rc = session_watch(d->session, text_str(&path), SESSION_JSON, delete_on_event, &w,
                               &answer, &err);
        }
        if (rc < 0 && rc != ERR_EXPIRED) {
            delete_refused(d, &answer, &err);
            return false;
        }
    }
    return true;
}

/* --- the verb --- */

static int delete_check(const struct delete *d, const struct target_list *targets,
                        const struct opt_list *files, struct err *err)
{
    if (files->n > 0 && targets->n > 0)
        return err_set(err, ERR_INVALID, "either -f or kinds and names, not both");
    for (size_t i = 0; i < targets->n; i++) {
        bool picks = d->selector != NULL || d->all;

        if (targets->items[i].name == NULL && !picks)
            return err_set(err, ERR_INVALID,
                           "resource(s) were provided, but no name was specified");
        if (targets->items[i].name != NULL && picks)
            return err_set(err, ERR_INVALID,
                           "name cannot be provided when a selector is specified");
    }
    return 0;
}

static void delete_run(struct delete *d, const struct target_list *targets,
                       const struct opt_list *files)
{
    json_t *what;
    size_t i;

    delete_manifests(d, files);
    for (i = 0; i < targets->n; i++) {
        const struct target *t = &targets->items[i];

        if (t->name == NULL)
            delete_selected(d, t->resource);
        else
            delete_one(d, t->resource, session_namespace(d->session), t->name);
    }
    if (!d->wait)
        return;
    json_array_foreach (d->gone, i, what)
        if (!delete_wait_one(d, what))
            return;
}

int delete_main(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    cleanup(target_list_fini) struct target_list targets = { .n = 0 };
    cleanup(json_decrefpp) json_t *gone = json_array();
    struct session_opts session_opts = { .ns = NULL };
    struct opt_list files = { .n = 0 };
    struct delete d = { .wait = true, .grace_s = -1, .gone = gone };
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        { "filename", 'f', OPT_LIST, &files, "FILE",
          "what these manifests name; directory, or - for standard input" },
        SESSION_FLAGS(&session_opts),
        { "selector", 'l', OPT_TEXT, &d.selector, "SEL", "those with these labels" },
        { "all", 0, OPT_FLAG, &d.all, NULL, "all of the kind in the namespace" },
        { "wait", 0, OPT_FLAG, &d.wait, NULL,
          "until they are gone (default); --wait=false: do not" },
        { "grace-period", 0, OPT_NUMBER, &d.grace_s, "N", "seconds to end in; 0: at once" },
        { "ignore-not-found", 0, OPT_FLAG, &d.ignore_absent, NULL, "absent is as good as deleted" },
        { .name = NULL },
    };
    int n, exit_code, rc = 0;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n > 0 || files.n == 0)
        rc = target_parse(&targets, n, argv, &err);
    if (rc == 0)
        rc = delete_check(&d, &targets, &files, &err);
    if (rc == 0)
        rc = session_new(&session, &session_opts, &err);
    if (rc < 0)
        return verb_fail(self, &err);
    d.session = session;
    d.forced_ns = session_opts.ns != NULL;
    delete_run(&d, &targets, &files);
    return d.failed ? VERB_FAILED : VERB_DONE;
}
