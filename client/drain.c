/* mkube cordon, uncordon, drain: nodes that get no new pods, or lose those they have. */
#include "base/clock.h"
#include "base/duration.h"
#include "base/mem.h"
#include "client/drain_plan.h"
#include "client/follow.h"
#include "client/pick.h"
#include "client/verbs.h"

#include <stdio.h>

#define DRAIN_MAX     64 /* nodes in one command */
#define DRAIN_RETRY_S 5  /* an eviction that a budget refused is tried again */
#define DRAIN_WHY_MAX 4

struct drain {
    struct session_opts session_opts;
    struct session *session; /* owned */
    struct pick_opts pick;
    struct drain_opts opts;
    const char *pod_selector, *timeout, *dry_text;
    bool dry_run, no_eviction;
    int64_t grace_s, until_ms;
};

/* --- cordon --- */

static int drain_mark(struct drain *d, const struct pick_object *o, bool closed)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *patch = NULL;
    bool was = json_bool(o->live, "spec.unschedulable", false);

    if (was == closed) {
        pick_say(o, closed ? "already cordoned" : "already uncordoned", d->dry_run);
        return VERB_DONE;
    }
    patch = closed ? json_pack("{s:{s:b}}", "spec", "unschedulable", 1)
                   : json_pack("{s:{s:n}}", "spec", "unschedulable");
    if (pick_patch(d->session, o, NULL, PICK_STRATEGIC, patch, d->dry_run, &answer) != VERB_DONE)
        return VERB_FAILED;
    pick_say(o, closed ? "cordoned" : "uncordoned", d->dry_run);
    return VERB_DONE;
}

static int drain_cordon(struct drain *d, const struct pick_object *o)
{
    return drain_mark(d, o, true);
}

static int drain_uncordon(struct drain *d, const struct pick_object *o)
{
    return drain_mark(d, o, false);
}

/* --- pods --- */

/* "why: ns/a, ns/b" for each reason that @verdict has. */
static void drain_reasons(struct text *ret, const json_t *pods, const struct drain_opts *opts,
                          bool refused)
{
    const char *told[DRAIN_WHY_MAX];
    size_t n = 0, i, k;
    const json_t *pod;

    json_array_foreach (pods, i, pod) {
        const char *why, *other;
        enum drain_verdict v = drain_plan(pod, opts, &why);
        bool known = false;

        for (k = 0; k < n; k++)
            known = known || str_eq(told[k], why);
        if (why == NULL || known || (v == DRAIN_REFUSE) != refused || n == DRAIN_WHY_MAX)
            continue;
        told[n++] = why;
        text_fmt(ret, "%s%s:", ret->len == 0 ? "" : refused ? ", " : "; ", why);
        for (size_t j = i, first = 1; j < json_array_size(pods); j++) {
            const json_t *p = json_array_get(pods, j);

            drain_plan(p, opts, &other);
            if (!str_eq(other, why))
                continue;
            text_fmt(ret, "%s%s/%s", first ? " " : ", ", json_str_or(p, "metadata.namespace", ""),
                     json_str_or(p, "metadata.name", ""));
            first = 0;
        }
    }
}

/* Once; DRAIN_LATER: a budget refused it. */
#define DRAIN_LATER 1
static int drain_evict(struct drain *d, const json_t *pod, struct err *err)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    const char *ns = json_str_or(pod, "metadata.namespace", "");
    const char *name = json_str_or(pod, "metadata.name", "");
    cleanup(json_decrefpp) json_t *options = json_object();
    cleanup(json_decrefpp) json_t *body = NULL;
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    int rc;

    if (d->grace_s >= 0)
        json_put_int(options, "gracePeriodSeconds", d->grace_s);
    if (d->dry_run)
        json_put(options, "dryRun", json_pack("[s]", "All"));
    target_path(&path, schema_resource("", "v1", "pods"), ns, name);
    if (!d->no_eviction)
        text_puts(&path, "/eviction");
    body = json_pack("{s:s,s:s,s:{s:s,s:s},s:O}", "apiVersion", "policy/v1", "kind", "Eviction",
                     "metadata", "name", name, "namespace", ns, "deleteOptions", options);
    printf("evicting pod %s/%s%s\n", ns, name, d->dry_run ? " (server dry run)" : "");
    fflush(stdout);
    rc = session_call(d->session, d->no_eviction ? "DELETE" : "POST", text_str(&path),
                      "application/json", d->no_eviction ? options : body, &answer, err);
    if (answer.status == 429) {
        fprintf(stderr, "error when evicting pods/\"%s\" -n \"%s\" (will retry after %ds): %s\n",
                name, ns, DRAIN_RETRY_S, err->text);
        return DRAIN_LATER;
    }
    return answer.status == 404 ? 0 : rc;
}

/* Those of @left that a budget refuses stay in it. */
static int drain_round(struct drain *d, json_t *left, struct err *err)
{
    for (size_t i = 0; i < json_array_size(left);) {
        int rc = drain_evict(d, json_array_get(left, i), err);

        if (rc < 0)
            return rc;
        if (rc == DRAIN_LATER)
            i++;
        else
            json_array_remove(left, i);
    }
    return 0;
}

/* A pod that a budget holds back holds back no other; it is asked again when those have gone. */
static int drain_evict_all(struct drain *d, const json_t *pods, struct err *err)
{
    cleanup(json_decrefpp) json_t *left = json_copy((json_t *)(uintptr_t)pods);
    int rc = drain_round(d, left, err);

    while (rc == 0 && json_array_size(left) > 0) {
        int64_t pause_ms = DRAIN_RETRY_S * 1000;
        const json_t *pod = json_array_get(left, 0);

        if (d->until_ms >= 0 && d->until_ms - clock_mono_ms() < pause_ms)
            pause_ms = d->until_ms - clock_mono_ms();
        if (pause_ms <= 0)
            return err_set(err, ERR_TIMEOUT,
                           "error when evicting pods/\"%s\" -n \"%s\": global timeout reached: %s",
                           json_str_or(pod, "metadata.name", ""),
                           json_str_or(pod, "metadata.namespace", ""), d->timeout);
        session_pause(d->session, pause_ms);
        rc = drain_round(d, left, err);
    }
    return rc;
}

static int drain_on_gone(void *arg UNUSED, const json_t *live)
{
    return live == NULL;
}

static int drain_await(struct drain *d, const json_t *pod, struct err *err)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text list = TEXT_EMPTY;
    struct follow f = { .session = d->session,
                        .name = json_str_or(pod, "metadata.name", ""),
                        .uid = json_str_or(pod, "metadata.uid", ""),
                        .until_ms = d->until_ms,
                        .fn = drain_on_gone };
    int rc;

    target_path(&list, schema_resource("", "v1", "pods"),
                json_str_or(pod, "metadata.namespace", ""), NULL);
    f.list = text_str(&list);
    rc = follow_object(&f, &answer, err);
    if (rc == FOLLOW_TIMEOUT)
        return err_set(err, ERR_TIMEOUT,
                       "error when waiting for pod \"%s\" in namespace \"%s\" to terminate: global "
                       "timeout reached",
                       f.name, json_str_or(pod, "metadata.namespace", ""));
    if (rc == 0)
        printf("pod/%s evicted\n", f.name);
    fflush(stdout);
    return rc;
}

/* All are asked to go, then waited for, so that their ends overlap. */
static int drain_pods(struct drain *d, const json_t *pods, struct err *err)
{
    cleanup(json_decrefpp) json_t *going = json_array();
    json_t *pod;
    const char *why;
    size_t i;
    int rc;

    json_array_foreach (pods, i, pod)
        if (drain_plan(pod, &d->opts, &why) == DRAIN_EVICT)
            json_array_append(going, pod);
    rc = drain_evict_all(d, going, err);
    json_array_foreach (going, i, pod)
        if (rc == 0 && !d->dry_run)
            rc = drain_await(d, pod, err);
    return rc;
}

static int drain_list(struct drain *d, const struct pick_object *o, struct session_answer *ret,
                      struct err *err)
{
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    cleanup(freep) char *on_node = mem_fmt("spec.nodeName=%s", o->name);

    target_path(&path, schema_resource("", "v1", "pods"), NULL, NULL);
    session_query(&path, "fieldSelector", on_node);
    if (d->pod_selector != NULL)
        session_query(&path, "labelSelector", d->pod_selector);
    return session_call(d->session, "GET", text_str(&path), NULL, NULL, ret, err);
}

static int drain_one(struct drain *d, const struct pick_object *o)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text refused = TEXT_EMPTY;
    cleanup(text_fini) struct text warned = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    const json_t *pods;
    int rc;

    if (drain_mark(d, o, true) != VERB_DONE)
        return VERB_FAILED;
    rc = drain_list(d, o, &answer, &err);
    pods = json_at(answer.body, "items");
    if (rc == 0) {
        drain_reasons(&refused, pods, &d->opts, true);
        drain_reasons(&warned, pods, &d->opts, false);
        if (refused.len > 0)
            rc = err_set(&err, ERR_INVALID, "%s", text_str(&refused));
        else if (warned.len > 0)
            fprintf(stderr, "Warning: %s\n", text_str(&warned));
    }
    if (rc == 0)
        rc = drain_pods(d, pods, &err);
    if (rc == 0) {
        pick_say(o, "drained", d->dry_run);
        return VERB_DONE;
    }
    fprintf(stderr,
            "error: unable to drain node \"%s\" due to error: %s, continuing command...\nThere are "
            "pending nodes to be drained:\n %s\n",
            o->name, err.text, o->name);
    return VERB_FAILED;
}

/* --- the verbs --- */

static int drain_check(struct drain *d, struct err *err)
{
    int64_t ms = 0;

    if (d->timeout != NULL && !duration_parse(d->timeout, &ms))
        return err_set(err, ERR_INVALID, "--timeout: \"%s\" is no duration such as 30s or 5m",
                       d->timeout);
    if (d->dry_text != NULL && !str_eq(d->dry_text, "server"))
        return err_set(err, ERR_INVALID, "Invalid dry-run value (%s). Must be \"server\".",
                       d->dry_text);
    d->dry_run = d->dry_text != NULL;
    d->until_ms = ms > 0 ? clock_mono_ms() + ms : -1;
    return 0;
}

static int drain_each(struct drain *d, int (*fn)(struct drain *, const struct pick_object *), int n,
                      char **argv)
{
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    char *words[DRAIN_MAX + 1], kind[] = "nodes";
    struct err err = ERR_EMPTY;
    int exit_code;

    words[0] = kind;
    for (int i = 0; i < n && i < DRAIN_MAX; i++)
        words[i + 1] = argv[i];
    if (n == 0 && d->pick.selector == NULL)
        err_set(&err, ERR_INVALID, "USAGE: cordon NODE, uncordon NODE, drain NODE [flags]");
    else if (n > DRAIN_MAX)
        err_set(&err, ERR_INVALID, "more than %d nodes named", DRAIN_MAX);
    else if (drain_check(d, &err) == 0 && session_new(&d->session, &d->session_opts, &err) == 0)
        pick_find(&pick, d->session, &d->pick, n + 1, words, &err);
    if (err.code < 0)
        return verb_error(&err);
    exit_code = pick.failed ? VERB_FAILED : VERB_DONE;
    for (size_t i = 0; i < pick.n; i++)
        if (fn(d, &pick.objects[i]) != VERB_DONE)
            exit_code = VERB_FAILED;
    return exit_code;
}

static int drain_begin(const struct verb *self,
                       int (*fn)(struct drain *, const struct pick_object *), int argc, char **argv)
{
    struct drain d = { .grace_s = -1 };
    const struct opt table[] = {
        SESSION_FLAGS(&d.session_opts),
        { "selector", 'l', OPT_TEXT, &d.pick.selector, "SEL", "nodes with these labels" },
        { "dry-run", 0, OPT_TEXT, &d.dry_text, "WHO", "server: say what would be done" },
        { "ignore-daemonsets", 0, OPT_FLAG, &d.opts.ignore_daemon_sets, NULL,
          "drain: theirs stay" },
        { "delete-emptydir-data", 0, OPT_FLAG, &d.opts.delete_local, NULL,
          "drain: pods whose data goes with them too" },
        { "force", 0, OPT_FLAG, &d.opts.force, NULL, "drain: pods that nobody makes again too" },
        { "disable-eviction", 0, OPT_FLAG, &d.no_eviction, NULL,
          "drain: delete, whatever budgets say" },
        { "grace-period", 0, OPT_NUMBER, &d.grace_s, "N", "drain: seconds to end in" },
        { "pod-selector", 0, OPT_TEXT, &d.pod_selector, "SEL", "drain: pods with these labels" },
        { "timeout", 0, OPT_TEXT, &d.timeout, "DURATION", "drain: give up after this" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    exit_code = drain_each(&d, fn, n, argv);
    session_free(d.session);
    return exit_code;
}

int drain_cordon_main(const struct verb *self, int argc, char **argv)
{
    return drain_begin(self, drain_cordon, argc, argv);
}

int drain_uncordon_main(const struct verb *self, int argc, char **argv)
{
    return drain_begin(self, drain_uncordon, argc, argv);
}

int drain_main(const struct verb *self, int argc, char **argv)
{
    return drain_begin(self, drain_one, argc, argv);
}
