/* mkube taint: which pods a node keeps away. */
#include "base/mem.h"
#include "client/pick.h"
#include "client/taint_change.h"
#include "client/verbs.h"

struct taint {
    struct session_opts session_opts;
    struct pick_opts pick;
    struct taint_change change; /* owned */
    bool overwrite;
    const char *dry_run;
};

/* The list goes whole, and only onto the node that was read: nobody's taint is lost between. */
static int taint_one(const struct taint *t, struct session *s, const struct pick_object *o)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *patch = json_object();
    json_t *taints = NULL;
    const char *done;
    struct err err = ERR_EMPTY;

    if (!str_eq(o->resource->plural, "nodes")) {
        err_set(&err, ERR_INVALID, "invalid resource type %s, only node types are supported",
                o->resource->plural);
        return verb_error(&err);
    }
    if (taint_change_apply(&taints, &done, &t->change, o->live, t->overwrite, &err) < 0)
        return verb_error(&err);
    json_put(patch, "spec.taints", taints);
    json_put_str(patch, "metadata.resourceVersion", json_str(o->live, "metadata.resourceVersion"));
    if (pick_patch(s, o, NULL, PICK_MERGE, patch, t->dry_run != NULL, &answer) != VERB_DONE)
        return VERB_FAILED;
    pick_say(o, done, t->dry_run != NULL);
    return VERB_DONE;
}

static int taint_run(struct taint *t, int n, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    struct err err = ERR_EMPTY;
    int first = 0, exit_code;

    while (first < n && !taint_change_is_word(argv[first]))
        first++;
    if (first == 0)
        err_set(&err, ERR_INVALID, "one or more resources must be specified as <resource> <name>");
    else if (t->dry_run != NULL && !str_eq(t->dry_run, "server"))
        err_set(&err, ERR_INVALID, "Invalid dry-run value (%s). Must be \"server\".", t->dry_run);
    else if (taint_change_parse(&t->change, n - first, argv + first, &err) == 0 &&
             session_new(&session, &t->session_opts, &err) == 0)
        pick_find(&pick, session, &t->pick, first, argv, &err);
    if (err.code < 0)
        return verb_error(&err);
    exit_code = pick.failed ? VERB_FAILED : VERB_DONE;
    for (size_t i = 0; i < pick.n; i++)
        if (taint_one(t, session, &pick.objects[i]) != VERB_DONE)
            exit_code = VERB_FAILED;
    return exit_code;
}

int taint_main(const struct verb *self, int argc, char **argv)
{
    struct taint t = { .overwrite = false };
    const struct opt table[] = {
        SESSION_FLAGS(&t.session_opts),
        { "selector", 'l', OPT_TEXT, &t.pick.selector, "SEL", "nodes with these labels" },
        { "all", 0, OPT_FLAG, &t.pick.all, NULL, "all nodes" },
        { "overwrite", 0, OPT_FLAG, &t.overwrite, NULL, "change those that are there" },
        { "dry-run", 0, OPT_TEXT, &t.dry_run, "WHO", "server: say what would be done" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    exit_code = taint_run(&t, n, argv);
    taint_change_fini(&t.change);
    return exit_code;
}
