/* Days of CronJobs: three that are due every five minutes, on a server that crashes and agents that
 * restart.  Each time is served once, Forbid and Replace never have two Jobs at work, and the
 * histories stay short. */
#include "tests/sim/sim.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "controlplane/cronjob_impl.h"

#include <stdlib.h>
#include <string.h>

#define CRON_USER      "kubernetes-admin"
#define CRON_PERIOD_MS 300000
#define CRON_DAY_MS    86400000
#define CRON_HISTORY   4 /* finished ones, of both kinds, by default */

static const struct cron_kind {
    const char *name, *policy;
} cron_kinds[] = {
    { "allow", "Allow" },
    { "forbid", "Forbid" },
    { "replace", "Replace" },
};

/* --- what happens --- */

static void cron_on_created(void *arg, const struct registry_answer *answer)
{
    if (answer->http >= 300)
        sim_fail(arg, "a CronJob was refused: %s", json_str_or(answer->body, "message", ""));
}

static void cron_create(struct sim *s, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < N_ELEMENTS(cron_kinds); i++) {
        json_t *tree = json_pack(
            "{s:s, s:s, s:{s:s}, s:{s:s, s:s, s:{s:{s:{s:{s:{s:s}}, s:{s:s, s:[{s:s, s:s}]}}}}}}",
            "apiVersion", "batch/v1", "kind", "CronJob", "metadata", "name", cron_kinds[i].name,
            "spec", "schedule", "*/5 * * * *", "concurrencyPolicy", cron_kinds[i].policy,
            "jobTemplate", "spec", "template", "metadata", "labels", "cron", cron_kinds[i].name,
            "spec", "restartPolicy", "Never", "containers", "name", "main", "image", "app");

        sim_write(s, CRON_USER, REGISTRY_CREATE, CRONJOB, "", "", tree, cron_on_created, s);
    }
}

static void cron_server_on(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->up)
        sim_server_start(s);
}

static void cron_on_mishap(struct sim *s, void *arg)
{
    (void)arg;
    if (!s->chaos)
        return;
    if (sim_chance(s, 70)) {
        sim_server_crash(s, sim_chance(s, 50));
        /* Shorter than the period: no time is passed over. */
        sim_after(s, sim_between(s, 50, CRON_PERIOD_MS - 60000), cron_server_on, NULL,
                  &s->server_life);
    } else {
        sim_agent_restart(&s->agents[sim_between(s, 0, s->n_agents - 1)]);
    }
    sim_after(s, sim_between(s, CRON_PERIOD_MS, 12 * CRON_PERIOD_MS), cron_on_mishap, NULL, NULL);
}

void sim_cron_init(struct sim *s)
{
    s->cron_served = map_new(free);
    sim_after(s, 1000, cron_create, NULL, NULL);
    sim_after(s, CRON_PERIOD_MS, cron_on_mishap, NULL, NULL);
}

void sim_cron_fini(struct sim *s)
{
    s->cron_served = map_free(s->cron_served);
}

/* Some are quick, some fail, some are still at work when the next is due. */
int64_t sim_cron_runtime_ms(struct sim *s)
{
    return sim_chance(s, 80) ? sim_between(s, 1000, 60000)
                             : sim_between(s, 60000, 3 * CRON_PERIOD_MS);
}

/* --- what must hold --- */

static bool cron_is_of(const struct object *job, const char *name)
{
    const struct object_owner *owner = object_controller(job);

    return owner && str_eq(owner->kind, "CronJob") && str_eq(owner->name, name);
}

static bool cron_is_finished(struct sim *s, const struct object *job)
{
    const json_t *status = json_object_get(view_tree(s->view, job), "status");

    return condition_is(status, "Complete", "True") || condition_is(status, "Failed", "True");
}

static void cron_count(struct sim *s, const char *name, int *ret_working, int *ret_finished)
{
    struct store_iter it;
    const struct object *o;

    *ret_working = *ret_finished = 0;
    store_iter_init(&it, s->store, CRONJOB_JOBS, SIM_NS, NULL, NULL);
    while ((o = store_iter_next(&it)))
        if (cron_is_of(o, name) && !o->deleting)
            (*(cron_is_finished(s, o) ? ret_finished : ret_working))++;
}

static void cron_check_once(struct sim *s, const struct object *job)
{
    const char *uid = map_get(s->cron_served, job->name);

    if (!uid)
        map_put(s->cron_served, job->name, mem_str(job->uid));
    else if (!str_eq(uid, job->uid))
        sim_fail(s, "%s was made twice", job->name);
}

void sim_cron_check(struct sim *s, const struct object *job)
{
    const struct object_owner *owner = object_controller(job);
    int working, finished;

    if (!s->cron_served || !owner || !str_eq(owner->kind, "CronJob"))
        return;
    cron_check_once(s, job);
    cron_count(s, owner->name, &working, &finished);
    if (working > 1 && !str_eq(owner->name, "allow"))
        sim_fail(s, "%s has %d Jobs at work", owner->name, working);
    if (finished > CRON_HISTORY + 2) /* two may end before the controller looks */
        sim_fail(s, "%s keeps %d finished Jobs", owner->name, finished);
}

void sim_cron_check_end(struct sim *s)
{
    int64_t due = s->opts.days * CRON_DAY_MS / CRON_PERIOD_MS, served = 0, working, finished;
    const char *name;
    void *uid;

    for (size_t it = 0; map_each(s->cron_served, &it, &name, &uid);)
        served += str_starts(name, "allow-");
    if (served < due - 1 || served > due)
        sim_fail(s, "%lld of %lld times were served", (long long)served, (long long)due);
    for (size_t i = 0; i < N_ELEMENTS(cron_kinds); i++) {
        int w, f;

        cron_count(s, cron_kinds[i].name, &w, &f);
        working = w;
        finished = f;
        if (working > 4 || finished > CRON_HISTORY)
            sim_fail(s, "%s ends with %lld Jobs at work and %lld finished", cron_kinds[i].name,
                     (long long)working, (long long)finished);
    }
}
