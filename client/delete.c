/* mkube delete: objects, and waits until they are gone. */
#include "base/clock.h"
#include "base/duration.h"
#include "base/mem.h"
#include "client/follow.h"
#include "client/pick.h"
#include "client/verbs.h"

#include <stdio.h>

struct delete
{
    struct session *session; /* borrowed */
    struct pick_opts pick;
    bool wait, force, now;
    const char *cascade, *dry_run, *output, *timeout;
    int64_t grace_s;  /* -1: the object's own */
    int64_t until_ms; /* of waiting, monotonic; -1: none */
    bool failed;
    json_t *gone; /* owned: {list, name, uid} of those to wait for */
};

/* --- deleting --- */

static void delete_say(const struct delete *d, const struct pick_object *o)
{
    cleanup(text_fini) struct text kind = TEXT_EMPTY;

    target_kind(&kind, o->resource);
    if (str_eq(d->output, "name"))
        printf("%s/%s\n", text_str(&kind), o->name);
    else
        printf("%s \"%s\" %s%s\n", text_str(&kind), o->name,
               d->grace_s == 0 ? "force deleted" : "deleted",
               d->dry_run != NULL ? " (server dry run)" : "");
    fflush(stdout);
}

/* The answer is the object that is on its way out, or a Status that tells its uid. */
static void delete_note(struct delete *d, const struct pick_object *o, const json_t *answer)
{
    cleanup(text_fini) struct text list = TEXT_EMPTY;
    const char *uid = json_str(answer, "metadata.uid");

    if (uid == NULL)
        uid = json_str_or(answer, "details.uid", "");
    target_path(&list, o->resource, o->ns, NULL);
    json_array_append_new(
        d->gone, json_pack("{s:s,s:s,s:s}", "list", text_str(&list), "name", o->name, "uid", uid));
}

static const char *delete_propagation(const struct delete *d)
{
    return str_eq(d->cascade, "orphan")       ? "Orphan"
           : str_eq(d->cascade, "foreground") ? "Foreground"
                                              : "Background";
}

static void delete_one(struct delete *d, const struct pick_object *o)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp)
        json_t *options = json_pack("{s:s,s:s,s:s}", "apiVersion", "v1", "kind", "DeleteOptions",
                                    "propagationPolicy", delete_propagation(d));
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc;

    if (d->grace_s >= 0)
        json_put_int(options, "gracePeriodSeconds", d->grace_s);
    if (d->dry_run != NULL)
        json_put(options, "dryRun", json_pack("[s]", "All"));
    pick_path(&path, o, NULL);
    rc = session_call(d->session, "DELETE", text_str(&path), "application/json", options, &answer,
                      &err);
    if (rc < 0 && answer.status == 404 && d->pick.ignore_absent)
        return;
    if (rc < 0) {
        session_complain(&answer, &err, NULL);
        d->failed = true;
        return;
    }
    delete_say(d, o);
    delete_note(d, o, answer.body);
}

/* --- waiting --- */

static int delete_on_change(void *arg UNUSED, const json_t *live)
{
    return live == NULL ? 1 : 0;
}

/* False: told why not. */
static bool delete_wait_one(struct delete *d, const json_t *what)
{
    struct follow f = { .session = d->session,
                        .list = json_str(what, "list"),
                        .name = json_str(what, "name"),
                        .uid = json_str(what, "uid"),
                        .until_ms = d->until_ms,
                        .fn = delete_on_change };
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    struct err err = ERR_EMPTY;
    int rc = follow_object(&f, &answer, &err);

    if (rc == FOLLOW_TIMEOUT) {
        fprintf(stderr, "error: timed out waiting for the condition on %s\n", f.name);
        return false;
    }
    if (rc < 0)
        session_complain(&answer, &err, NULL);
    return rc >= 0;
}

/* --- the verb --- */

static int delete_check(struct delete *d, struct err *err)
{
    int64_t ms = 0;

    if (!str_eq(d->cascade, "background") && !str_eq(d->cascade, "orphan") &&
        !str_eq(d->cascade, "foreground"))
        return err_set(err, ERR_INVALID,
                       "invalid cascade value (%s). Must be \"background\", \"foreground\", or "
                       "\"orphan\"",
                       d->cascade);
    if (d->dry_run != NULL && !str_eq(d->dry_run, "server"))
        return err_set(err, ERR_INVALID,
                       "Invalid dry-run value (%s). Must be \"server\": the server knows what "
                       "there is",
                       d->dry_run);
    if (d->timeout != NULL && !duration_parse(d->timeout, &ms))
        return err_set(err, ERR_INVALID, "--timeout: \"%s\" is no duration such as 30s or 5m",
                       d->timeout);
    d->until_ms = ms > 0 ? clock_mono_ms() + ms : -1;
    if (d->now && d->grace_s >= 0)
        return err_set(err, ERR_INVALID, "--now and --grace-period cannot be specified together");
    if (d->grace_s == 0 && !d->force) { /* kubectl's own care: at once is only for --force */
        d->grace_s = 1;
        d->wait = true;
    }
    if (d->now)
        d->grace_s = 1;
    if (d->force && d->grace_s < 0)
        d->grace_s = 0;
    if (d->force && d->grace_s > 0)
        return err_set(err, ERR_INVALID,
                       "--force and --grace-period greater than 0 cannot be specified together");
    return 0;
}

static int delete_run(struct delete *d, int argc, char **argv)
{
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    struct err err = ERR_EMPTY;
    json_t *what;
    size_t i;

    if (d->force)
        fprintf(stderr, "Warning: Immediate deletion does not wait for confirmation that the "
                        "running resource has been terminated. The resource may continue to run "
                        "on the cluster indefinitely.\n");
    if (pick_find(&pick, d->session, &d->pick, argc, argv, &err) < 0)
        return verb_error(&err);
    for (i = 0; i < pick.n; i++)
        delete_one(d, &pick.objects[i]);
    if (pick.n == 0 && !pick.failed)
        printf("No resources found\n");
    if (d->wait && d->dry_run == NULL)
        json_array_foreach (d->gone, i, what)
            if (!delete_wait_one(d, what))
                return VERB_FAILED;
    return d->failed || pick.failed ? VERB_FAILED : VERB_DONE;
}

int delete_main(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    cleanup(json_decrefpp) json_t *gone = json_array();
    struct session_opts session_opts = { .ns = NULL };
    struct delete d = { .wait = true, .grace_s = -1, .gone = gone, .cascade = "background" };
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        PICK_FLAGS(&d.pick),
        SESSION_FLAGS(&session_opts),
        { "all-namespaces", 'A', OPT_FLAG, &d.pick.all_namespaces, NULL, "in every namespace" },
        { "field-selector", 0, OPT_TEXT, &d.pick.fields, "SEL", "those with these fields" },
        { "wait", 0, OPT_FLAG, &d.wait, NULL,
          "until they are gone (default); --wait=false: do not" },
        { "timeout", 0, OPT_TEXT, &d.timeout, "DURATION", "wait no longer than this" },
        { "grace-period", 0, OPT_NUMBER, &d.grace_s, "N", "seconds to end in" },
        { "now", 0, OPT_FLAG, &d.now, NULL, "one second to end in" },
        { "force", 0, OPT_FLAG, &d.force, NULL, "at once, whatever still runs" },
        { "cascade", 0, OPT_TEXT, &d.cascade, "HOW",
          "background, foreground or orphan: what becomes of what they own" },
        { "dry-run", 0, OPT_TEXT, &d.dry_run, "WHO", "server: say what would be deleted" },
        { "output", 'o', OPT_TEXT, &d.output, "name", "only names" },
        { "ignore-not-found", 0, OPT_FLAG, &d.pick.ignore_absent, NULL,
          "absent is as good as deleted" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (delete_check(&d, &err) < 0 || session_new(&session, &session_opts, &err) < 0)
        return verb_error(&err);
    d.session = session;
    return delete_run(&d, n, argv);
}
