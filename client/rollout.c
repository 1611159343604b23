/* mkube rollout: status, history, undo, restart, pause, resume. */
#include "base/clock.h"
#include "base/duration.h"
#include "base/mem.h"
#include "client/follow.h"
#include "client/pick.h"
#include "client/rollout_past.h"
#include "client/rollout_say.h"
#include "client/verbs.h"

#include <stdio.h>

#define ROLLOUT_RESTARTED "kubectl.kubernetes.io/restartedAt"

struct rollout {
    struct session_opts session_opts;
    struct session *session; /* owned */
    struct pick_opts pick;
    bool watch;
    const char *timeout;
    int64_t revision;
    int64_t until_ms; /* monotonic; -1: none */
};

typedef int (*rollout_one_fn)(struct rollout *r, const struct pick_object *o);

static int rollout_refuse(const struct pick_object *o, const char *what)
{
    struct err err = ERR_EMPTY;

    err_set(&err, ERR_INVALID, "%s%s%s \"%s\" %s", o->resource->plural,
            o->resource->group[0] != '\0' ? "." : "", o->resource->group, o->name, what);
    return verb_error(&err);
}

/* --- status --- */

struct rollout_watch {
    const struct pick_object *object;
    bool follow;
    char *said; /* owned: the last line */
    int exit_code;
};

static int rollout_on_change(void *arg, const json_t *live)
{
    struct rollout_watch *w = arg;
    cleanup(text_fini) struct text line = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc;

    if (live == NULL) {
        err_set(&err, ERR_NOT_FOUND, "object has been deleted");
        w->exit_code = verb_error(&err);
        return 1;
    }
    rc = rollout_say(&line, w->object->resource, live, &err);
    if (rc < 0) {
        w->exit_code = verb_error(&err);
        return 1;
    }
    if (!str_eq(w->said, text_str(&line)))
        printf("%s\n", text_str(&line));
    fflush(stdout);
    free(w->said);
    w->said = text_take(&line);
    return rc == ROLLOUT_DONE || !w->follow;
}

static int rollout_status(struct rollout *r, const struct pick_object *o)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text list = TEXT_EMPTY;
    struct rollout_watch w = { .object = o, .follow = r->watch, .exit_code = VERB_DONE };
    struct follow f = { .session = r->session,
                        .name = o->name,
                        .until_ms = r->until_ms,
                        .fn = rollout_on_change,
                        .arg = &w };
    struct err err = ERR_EMPTY;
    int rc;

    target_path(&list, o->resource, o->ns, NULL);
    f.list = text_str(&list);
    rc = follow_object(&f, &answer, &err);
    free(w.said);
    if (rc == FOLLOW_TIMEOUT) {
        err_set(&err, ERR_TIMEOUT, "timed out waiting for the condition");
        return verb_error(&err);
    }
    return rc < 0 ? session_complain(&answer, &err, NULL) : w.exit_code;
}

/* --- changes --- */

static int rollout_change(struct rollout *r, const struct pick_object *o, json_t *patch,
                          const char *done)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    int rc = pick_patch(r->session, o, NULL, PICK_MERGE, patch, false, &answer);

    json_decref(patch);
    if (rc == VERB_DONE)
        pick_say(o, done, false);
    return rc;
}

static int rollout_restart(struct rollout *r, const struct pick_object *o)
{
    char now[CLOCK_TEXT_MAX];
    struct err err = ERR_EMPTY;

    if (json_at(o->live, "spec.template.spec") == NULL || str_eq(o->resource->plural, "jobs") ||
        str_eq(o->resource->plural, "replicasets")) {
        err_set(&err, ERR_INVALID, "%s%s%s \"%s\" restarting is not supported", o->resource->plural,
                o->resource->group[0] != '\0' ? "." : "", o->resource->group, o->name);
        return verb_error(&err);
    }
    if (json_bool(o->live, "spec.paused", false))
        return rollout_refuse(o, "can't restart paused deployment (run rollout resume first)");
    clock_print(now, clock_wall_ms());
    return rollout_change(r, o,
                          json_pack("{s:{s:{s:{s:{s:s}}}}}", "spec", "template", "metadata",
                                    "annotations", ROLLOUT_RESTARTED, now),
                          "restarted");
}

static int rollout_pause_to(struct rollout *r, const struct pick_object *o, bool pause)
{
    if (!str_eq(o->resource->plural, "deployments"))
        return rollout_refuse(o, pause ? "pausing is not supported" : "resuming is not supported");
    if (json_bool(o->live, "spec.paused", false) == pause)
        return rollout_refuse(o, pause ? "is already paused" : "is not paused");
    return rollout_change(r, o, json_pack("{s:{s:b}}", "spec", "paused", pause),
                          pause ? "paused" : "resumed");
}

static int rollout_pause(struct rollout *r, const struct pick_object *o)
{
    return rollout_pause_to(r, o, true);
}

static int rollout_resume(struct rollout *r, const struct pick_object *o)
{
    return rollout_pause_to(r, o, false);
}

/* --- the past --- */

/* ReplicaSets of a Deployment, else ControllerRevisions.  NULL: told why not; the caller's. */
static json_t *rollout_past(struct rollout *r, const struct pick_object *o)
{
    const struct schema_resource *kind = rollout_past_kind(o->resource);
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (kind == NULL) {
        err_set(&err, ERR_INVALID, "no history viewer has been implemented for \"%s\"",
                o->resource->kind);
        verb_error(&err);
        return NULL;
    }
    target_path(&path, kind, o->ns, NULL);
    if (session_call(r->session, "GET", text_str(&path), NULL, NULL, &answer, &err) < 0) {
        session_complain(&answer, &err, NULL);
        return NULL;
    }
    return rollout_past_read(o->live, json_at(answer.body, "items"));
}

static int rollout_history(struct rollout *r, const struct pick_object *o)
{
    cleanup(json_decrefpp) json_t *past = rollout_past(r, o);
    cleanup(text_fini) struct text name = TEXT_EMPTY;
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (past == NULL)
        return VERB_FAILED;
    pick_name(&name, o);
    if (r->revision > 0) {
        if (rollout_past_detail(&out, past, r->revision, &err) < 0)
            return verb_error(&err);
        printf("%s with revision #%lld\n%s\n", text_str(&name), (long long)r->revision,
               text_str(&out));
        return VERB_DONE;
    }
    rollout_past_print(&out, past);
    printf("%s \n%s\n", text_str(&name), text_str(&out));
    return VERB_DONE;
}

static int rollout_undo(struct rollout *r, const struct pick_object *o)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *past = rollout_past(r, o);
    cleanup(json_decrefpp) json_t *patch = NULL;
    const char *type = NULL;
    struct err err = ERR_EMPTY;
    int rc;

    if (past == NULL)
        return VERB_FAILED;
    rc = rollout_past_undo(&patch, &type, o->live, past, r->revision, &err);
    if (rc < 0)
        return verb_error(&err);
    if (rc == ROLLOUT_PAST_SAME) {
        cleanup(freep) char *text = mem_fmt(
            "skipped rollback (current template already matches revision %lld)",
            (long long)(r->revision > 0 ? r->revision : rollout_past_before(past)));

        pick_say(o, text, false);
        return VERB_DONE;
    }
    if (pick_patch(r->session, o, NULL, type, patch, false, &answer) != VERB_DONE)
        return VERB_FAILED;
    pick_say(o, "rolled back", false);
    return VERB_DONE;
}

/* --- the verb --- */

static int rollout_each(struct rollout *r, rollout_one_fn fn, int n, char **argv)
{
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    struct err err = ERR_EMPTY;
    int64_t ms = 0;
    int exit_code;

    if (r->timeout != NULL && !duration_parse(r->timeout, &ms)) {
        err_set(&err, ERR_INVALID, "--timeout: \"%s\" is no duration such as 30s or 5m",
                r->timeout);
        return verb_error(&err);
    }
    r->until_ms = ms > 0 ? clock_mono_ms() + ms : -1;
    if (session_new(&r->session, &r->session_opts, &err) < 0 ||
        pick_find(&pick, r->session, &r->pick, n, argv, &err) < 0)
        return verb_error(&err);
    exit_code = pick.failed ? VERB_FAILED : VERB_DONE;
    for (size_t i = 0; i < pick.n; i++)
        if (fn(r, &pick.objects[i]) != VERB_DONE)
            exit_code = VERB_FAILED;
    return exit_code;
}

static int rollout_begin(rollout_one_fn fn, bool all, const struct verb *self, int argc,
                         char **argv)
{
    struct rollout r = { .watch = true, .pick = { .bare_is_all = all } };
    const struct opt table[] = {
        PICK_FLAGS(&r.pick),
        SESSION_FLAGS(&r.session_opts),
        { "watch", 'w', OPT_FLAG, &r.watch, NULL,
          "status: until it is done (default); --watch=false: as it is now" },
        { "timeout", 0, OPT_TEXT, &r.timeout, "DURATION", "status: wait no longer than this" },
        { "revision", 0, OPT_NUMBER, &r.revision, "N", "history: this one in full" },
        { "to-revision", 0, OPT_NUMBER, &r.revision, "N", "undo: back to this one" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    exit_code = rollout_each(&r, fn, n, argv);
    session_free(r.session);
    return exit_code;
}

static int rollout_status_main(const struct verb *self, int argc, char **argv)
{
    return rollout_begin(rollout_status, true, self, argc, argv);
}

static int rollout_history_main(const struct verb *self, int argc, char **argv)
{
    return rollout_begin(rollout_history, true, self, argc, argv);
}

static int rollout_undo_main(const struct verb *self, int argc, char **argv)
{
    return rollout_begin(rollout_undo, false, self, argc, argv);
}

static int rollout_restart_main(const struct verb *self, int argc, char **argv)
{
    return rollout_begin(rollout_restart, true, self, argc, argv);
}

static int rollout_pause_main(const struct verb *self, int argc, char **argv)
{
    return rollout_begin(rollout_pause, false, self, argc, argv);
}

static int rollout_resume_main(const struct verb *self, int argc, char **argv)
{
    return rollout_begin(rollout_resume, false, self, argc, argv);
}

static const struct verb rollout_verbs[] = {
    { "status", "how far a rollout has come", "mkube rollout status KIND/NAME [flags]",
      rollout_status_main },
    { "history", "the revisions that are kept", "mkube rollout history KIND/NAME [--revision N]",
      rollout_history_main },
    { "undo", "back to the revision before, or another",
      "mkube rollout undo KIND/NAME [--to-revision N]", rollout_undo_main },
    { "restart", "new pods, one after the other", "mkube rollout restart KIND/NAME [flags]",
      rollout_restart_main },
    { "pause", "changes do not roll out for now", "mkube rollout pause deployment/NAME",
      rollout_pause_main },
    { "resume", "changes roll out again", "mkube rollout resume deployment/NAME",
      rollout_resume_main },
};

int rollout_main(const struct verb *self, int argc, char **argv)
{
    return verb_choose(self, rollout_verbs, N_ELEMENTS(rollout_verbs), argc, argv);
}
