/* mkube scale: how many there are to be. */
#include "base/mem.h"
#include "client/pick.h"
#include "client/verbs.h"

#include <stdio.h>

struct scale {
    struct pick_opts pick;
    int64_t replicas, current; /* -1: not given */
    const char *dry_run;
};

static int scale_one(const struct scale *s, struct session *session, const struct pick_object *o)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *patch = NULL;
    bool dry_run = s->dry_run != NULL;
    struct err err = ERR_EMPTY;
    int64_t have;

    if (schema_sub(o->resource, "scale") == NULL) {
        err_set(&err, ERR_INVALID, "cannot scale %s", o->resource->plural);
        return verb_error(&err);
    }
    have = json_int(o->live, "spec.replicas", 1);
    if (s->current >= 0 && have != s->current) {
        err_set(&err, ERR_INVALID, "Expected replicas to be %lld, was %lld", (long long)s->current,
                (long long)have);
        return verb_error(&err);
    }
    patch = json_pack("{s:{s:I}}", "spec", "replicas", (json_int_t)s->replicas);
    if (s->current >= 0)
        json_put_str(patch, "metadata.resourceVersion",
                     json_str(o->live, "metadata.resourceVersion"));
    if (pick_patch(session, o, "scale", PICK_MERGE, patch, dry_run, &answer) != VERB_DONE)
        return VERB_FAILED;
    pick_say(o, "scaled", dry_run);
    return VERB_DONE;
}

static int scale_run(const struct scale *s, const struct session_opts *opts, int n, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    struct err err = ERR_EMPTY;
    int exit_code;

    if (s->replicas < 0) {
        err_set(&err, ERR_INVALID,
                "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to "
                "0");
        return verb_error(&err);
    }
    if (s->dry_run != NULL && !str_eq(s->dry_run, "server")) {
        err_set(&err, ERR_INVALID, "Invalid dry-run value (%s). Must be \"server\".", s->dry_run);
        return verb_error(&err);
    }
    if (session_new(&session, opts, &err) < 0 ||
        pick_find(&pick, session, &s->pick, n, argv, &err) < 0)
        return verb_error(&err);
    if (pick.n == 0 && !pick.failed) {
        err_set(&err, ERR_NOT_FOUND, "no objects passed to scale");
        return verb_error(&err);
    }
    exit_code = pick.failed ? VERB_FAILED : VERB_DONE;
    for (size_t i = 0; i < pick.n; i++)
        if (scale_one(s, session, &pick.objects[i]) != VERB_DONE)
            exit_code = VERB_FAILED;
    return exit_code;
}

int scale_main(const struct verb *self, int argc, char **argv)
{
    struct session_opts session_opts = { .ns = NULL };
    struct scale s = { .replicas = -1, .current = -1 };
    const struct opt table[] = {
        PICK_FLAGS(&s.pick),
        SESSION_FLAGS(&session_opts),
        { "replicas", 0, OPT_NUMBER, &s.replicas, "N", "how many" },
        { "current-replicas", 0, OPT_NUMBER, &s.current, "N", "only if there are this many" },
        { "dry-run", 0, OPT_TEXT, &s.dry_run, "WHO", "server: say what would be done" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    return scale_run(&s, &session_opts, n, argv);
}
