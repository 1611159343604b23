/* A simulated node agent: what the API wants for its node becomes containers, after a while;
 * what becomes of them is told.  Containers outlive the agent's process, not the power. */
#include "tests/sim/sim.h"

#include "api/conditions.h"
#include "api/pod_status.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define AGENT_BEAT_MS 10000
#define AGENT_LOOK_MS 5000

static void agent_sync_soon(struct sim_agent *a, int64_t low_ms, int64_t high_ms);

static bool agent_reaches(const struct sim_agent *a)
{
    return a->powered && a->linked && a->sim->up;
}

/* An answer comes back to the use of the slot that asked, if it is still that. */
struct agent_call {
    struct sim_slot *slot;
    uint64_t life;
    enum sim_state told;
};

static void agent_on_answer(void *arg, const struct registry_answer *answer)
{
    struct agent_call *call = arg;
    struct sim_slot *slot = call->slot;

    if (slot->life == call->life) {
        slot->posting = false;
        if (answer->http < 300 && slot->state == call->told)
            slot->posted = true;
        else
            agent_sync_soon(slot->agent, 100, 1000);
    }
    free(call);
}

static void agent_write(struct sim_slot *slot, enum registry_verb verb, const char *sub,
                        json_t *body_steal)
{
    struct agent_call *call = MEM_NEW(struct agent_call);

    *call = (struct agent_call){ .slot = slot, .life = slot->life, .told = slot->state };
    slot->posting = true;
    if (!sim_write(slot->agent->sim, SIM_AGENT_USER, verb, "pods", sub, slot->name, body_steal,
                   agent_on_answer, call)) {
        slot->posting = false;
        free(call);
    }
}

/* --- containers --- */

static struct sim_slot *agent_slot(struct sim_agent *a, const char *uid)
{
    for (size_t i = 0; i < SIM_SLOTS; i++)
        if (a->slots[i].state != SIM_FREE && str_eq(a->slots[i].uid, uid))
            return &a->slots[i];
    return NULL;
}

static void agent_enter(struct sim_slot *slot, enum sim_state state)
{
    slot->state = state;
    slot->posted = false;
    agent_sync_soon(slot->agent, 5, 100);
}

static void agent_free_slot(struct sim_slot *slot)
{
    struct sim_agent *a = slot->agent;
    uint64_t life = slot->life + 1;

    *slot = (struct sim_slot){ .agent = a, .life = life };
}

static void agent_on_ended(struct sim *s, void *arg)
{
    struct sim_slot *slot = arg;

    if (slot->state != SIM_READY && slot->state != SIM_LIVE)
        return;
    slot->exit_code = sim_chance(s, 20) ? 1 : 0;
    agent_enter(slot, SIM_FAILED);
}

static void agent_on_ready(struct sim *s, void *arg)
{
    struct sim_slot *slot = arg;

    if (slot->state != SIM_LIVE)
        return;
    slot->ready_ms = s->now_ms;
    agent_enter(slot, SIM_READY);
    if (slot->is_job)
        sim_after(s, sim_cron_runtime_ms(s), agent_on_ended, slot, &slot->life);
}

static void agent_on_started(struct sim *s, void *arg)
{
    struct sim_slot *slot = arg;

    if (slot->state != SIM_STARTING)
        return;
    s->stats.starts++;
    sim_say(s, "%s runs %s (%.8s)", slot->agent->name, slot->name, slot->uid);
    slot->state = SIM_LIVE;
    slot->live_ms = s->now_ms;
    slot->cpu_ns = 0;
    sim_check_start(s, slot);
    agent_enter(slot, SIM_LIVE);
    sim_after(s, sim_between(s, 50, 5000), agent_on_ready, slot, &slot->life);
}

static void agent_start(struct sim_agent *a, const struct object *o)
{
    struct sim *s = a->sim;
    const struct object_owner *owner = object_controller(o);
    struct sim_slot *slot = NULL;

    for (size_t i = 0; i < SIM_SLOTS && !slot; i++)
        if (a->slots[i].state == SIM_FREE)
            slot = &a->slots[i];
    if (!slot) {
        sim_fail(s, "%s has more than %d pods", a->name, SIM_SLOTS);
        return;
    }
    slot->state = SIM_STARTING;
    slot->life++;
    slot->seen = true;
    slot->address = ++a->addresses;
    slot->is_job = owner && str_eq(owner->kind, "Job");
    slot->is_stateful = owner && str_eq(owner->kind, "StatefulSet");
    snprintf(slot->uid, sizeof(slot->uid), "%s", o->uid);
    snprintf(slot->name, sizeof(slot->name), "%s", o->name);
    sim_after(s, sim_between(s, 100, sim_chance(s, 10) ? 20000 : 2000), agent_on_started, slot,
              &slot->life);
}

static void agent_on_stopped(struct sim *s, void *arg)
{
    struct sim_slot *slot = arg;

    (void)s;
    if (slot->state == SIM_STOPPING)
        agent_enter(slot, SIM_DEAD);
}

static void agent_stop(struct sim_slot *slot)
{
    struct sim *s = slot->agent->sim;

    if (slot->state == SIM_STOPPING || slot->state == SIM_DEAD || slot->state == SIM_FAILED)
        return;
    if (slot->state == SIM_STARTING) {
        agent_enter(slot, SIM_DEAD);
        return;
    }
    slot->state = SIM_STOPPING;
    slot->posted = false;
    sim_after(s, sim_between(s, 20, sim_chance(s, 10) ? 29000 : 2000), agent_on_stopped, slot,
              &slot->life);
}

void sim_agent_crash_container(struct sim_agent *a, bool for_good)
{
    struct sim *s = a->sim;
    struct sim_slot *slot = &a->slots[sim_between(s, 0, SIM_SLOTS - 1)];

    for (size_t i = 0; i < SIM_SLOTS && slot->state != SIM_READY; i++)
        slot = &a->slots[i];
    if (!a->powered || slot->state != SIM_READY)
        return;
    sim_say(s, "%s: %s %s", a->name, slot->name, for_good ? "fails" : "crashes");
    sim_check_disturb(s, 10000);
    if (for_good) {
        slot->exit_code = 1;
        agent_enter(slot, SIM_FAILED);
        return;
    }
    slot->restarts++;
    agent_enter(slot, SIM_LIVE);
    sim_after(s, sim_between(s, 500, 20000), agent_on_ready, slot, &slot->life);
}

/* --- telling --- */

static void agent_condition(json_t *status, const char *type, bool holds, int64_t now_ms)
{
    condition_set(status, type, holds ? "True" : "False", NULL, NULL, now_ms);
}

static json_t *agent_container_status(const struct sim_slot *slot, const char *now)
{
    json_t *c = json_object();
    bool ended = slot->state == SIM_FAILED;

    json_put_str(c, "name", "main");
    json_put_str(c, "image", "app");
    json_put_str(c, "imageID", "sha256:0");
    json_put_bool(c, "ready", slot->state == SIM_READY);
    json_put_int(c, "restartCount", slot->restarts);
    if (ended) {
        json_put_int(c, "state.terminated.exitCode", slot->exit_code);
        json_put_str(c, "state.terminated.reason", slot->exit_code ? "Error" : "Completed");
        json_put_str(c, "state.terminated.finishedAt", now);
    } else {
        json_put_str(c, "state.running.startedAt", now);
    }
    return c;
}

static void agent_tell(struct sim_slot *slot, const struct object *o)
{
    struct sim_agent *a = slot->agent;
    int64_t now_ms = sim_wall_ms(a->sim);
    json_t *tree = json_deep_copy(view_tree(a->sim->view, o)), *status = json_at(tree, "status"),
           *list = json_array();
    bool ready = slot->state == SIM_READY;
    char now[CLOCK_TEXT_MAX], address[64];

    if (!status) {
        status = json_object();
        json_put(tree, "status", status);
    }
    clock_print(now, now_ms);
    snprintf(address, sizeof(address), "10.244.%u.%u", a->index, slot->address % 250 + 2);
    json_put_str(status, "phase",
                 slot->state != SIM_FAILED ? "Running"
                 : slot->exit_code         ? "Failed"
                                           : "Succeeded");
    json_put_str(status, "podIP", address);
    if (!json_str(status, "startTime"))
        json_put_str(status, "startTime", now);
    agent_condition(status, "Initialized", true, now_ms);
    agent_condition(status, "ContainersReady", ready, now_ms);
    agent_condition(status, "Ready", ready, now_ms);
    json_array_append_new(list, agent_container_status(slot, now));
    json_put(status, "containerStatuses", list);
    agent_write(slot, REGISTRY_UPDATE, "status", tree);
}

static void agent_delete(struct sim_agent *a, const char *name, const char *uid,
                         struct sim_slot *slot)
{
    json_t *options = json_object();

    json_put_int(options, "gracePeriodSeconds", 0);
    json_put_str(options, "preconditions.uid", uid);
    if (slot)
        agent_write(slot, REGISTRY_DELETE, "", options);
    else
        sim_write(a->sim, SIM_AGENT_USER, REGISTRY_DELETE, "pods", "", name, options, NULL, NULL);
}

/* --- looking --- */

/* Others write a pod's status too (a node that was thought lost): the agent has the last word. */
static void agent_compare(struct sim_slot *slot, const struct object *o)
{
    if (!slot->posted || slot->looked == o->revision)
        return;
    slot->looked = o->revision;
    slot->posted = pod_is_ready(view_tree(slot->agent->sim->view, o)) == (slot->state == SIM_READY);
}

static void agent_look(struct sim_agent *a, const struct object *o)
{
    struct sim_slot *slot = agent_slot(a, o->uid);
    bool terminal = str_eq(o->phase, "Failed") || str_eq(o->phase, "Succeeded");

    if (slot)
        slot->seen = true;
    if (!slot && o->deleting) {
        agent_delete(a, o->name, o->uid, NULL);
        return;
    }
    if (!slot) {
        if (!terminal)
            agent_start(a, o);
        return;
    }
    if (slot->posting)
        return;
    agent_compare(slot, o);
    if (o->deleting && (slot->state == SIM_DEAD || slot->state == SIM_FAILED))
        agent_delete(a, o->name, o->uid, slot);
    else if (o->deleting)
        agent_stop(slot);
    else if (!slot->posted && slot->state != SIM_STARTING && slot->state != SIM_STOPPING &&
             slot->state != SIM_DEAD)
        agent_tell(slot, o);
}

static void agent_sync(struct sim_agent *a)
{
    struct store_walk walk;
    const struct object *o;
    /* Writing shows nothing before the disk has it, so the walk may go on meanwhile. */
    if (!agent_reaches(a))
        return;
    for (size_t i = 0; i < SIM_SLOTS; i++)
        a->slots[i].seen = false;
    store_walk_node(&walk, a->sim->store, "pods", a->name);
    while ((o = store_walk_next(&walk)))
        agent_look(a, o);
    for (size_t i = 0; i < SIM_SLOTS; i++) {
        struct sim_slot *slot = &a->slots[i];

        if (slot->state == SIM_FREE || slot->seen)
            continue;
        if (slot->state == SIM_DEAD || slot->state == SIM_FAILED)
            agent_free_slot(slot);
        else
            agent_stop(slot);
    }
}

static void agent_on_sync(struct sim *s, void *arg)
{
    struct sim_agent *a = arg;

    (void)s;
    a->syncing = false;
    agent_sync(a);
}

static void agent_sync_soon(struct sim_agent *a, int64_t low_ms, int64_t high_ms)
{
    if (a->syncing || !a->powered)
        return;
    a->syncing = true;
    sim_after(a->sim, sim_between(a->sim, low_ms, high_ms), agent_on_sync, a, &a->life);
}

static void agent_on_look(struct sim *s, void *arg)
{
    struct sim_agent *a = arg;

    agent_sync(a);
    sim_after(s, AGENT_LOOK_MS, agent_on_look, a, &a->life);
}

/* --- the node's heartbeat --- */

static void agent_on_beat(struct sim *s, void *arg)
{
    struct sim_agent *a = arg;

    if (agent_reaches(a)) {
        sim_agent_tell_node(a);
        sim_agent_renew_lease(a);
    }
    sim_after(s, AGENT_BEAT_MS, agent_on_beat, a, &a->life);
}

/* --- life --- */

static void agent_boot(struct sim_agent *a)
{
    struct sim *s = a->sim;

    a->life++;
    a->syncing = false;
    a->node_seen = 0;
    for (size_t i = 0; i < SIM_SLOTS; i++) {
        struct sim_slot *slot = &a->slots[i];

        /* A new process finds its containers and goes on from there. */
        slot->posting = slot->posted = false;
    }
    sim_after(s, sim_between(s, 0, 2000), agent_on_beat, a, &a->life);
    sim_after(s, sim_between(s, 0, AGENT_LOOK_MS), agent_on_look, a, &a->life);
}

void sim_agent_init(struct sim *s, unsigned index)
{
    struct sim_agent *a = &s->agents[index];

    a->sim = s;
    a->index = index;
    snprintf(a->name, sizeof(a->name), "node-%u", index);
    a->powered = a->linked = true;
    a->cpu_milli = 100 * (s->tight ? sim_between(s, 10, 15) : 30);
    for (size_t i = 0; i < SIM_SLOTS; i++)
        a->slots[i].agent = a;
    agent_boot(a);
}

void sim_agent_wake(struct sim *s, const char *node)
{
    for (unsigned i = 0; i < s->n_agents; i++)
        if (str_eq(s->agents[i].name, node))
            agent_sync_soon(&s->agents[i], 2, 60);
}

void sim_agent_wake_all(struct sim *s)
{
    for (unsigned i = 0; i < s->n_agents; i++)
        if (s->agents[i].sim)
            agent_sync_soon(&s->agents[i], 100, 1500);
}

void sim_agent_power_off(struct sim_agent *a)
{
    if (!a->powered)
        return;
    sim_say(a->sim, "%s loses power", a->name);
    sim_check_disturb(a->sim, 10000);
    a->sim->stats.losses++;
    a->powered = false;
    a->life++;
    for (size_t i = 0; i < SIM_SLOTS; i++)
        agent_free_slot(&a->slots[i]);
}

void sim_agent_power_on(struct sim_agent *a)
{
    if (a->powered)
        return;
    sim_say(a->sim, "%s is back", a->name);
    a->powered = true;
    agent_boot(a);
}

void sim_agent_restart(struct sim_agent *a)
{
    if (!a->powered)
        return;
    sim_say(a->sim, "%s: its agent restarts", a->name);
    agent_boot(a);
}

void sim_agent_link(struct sim_agent *a, bool linked)
{
    if (a->linked == linked)
        return;
    sim_say(a->sim, "%s is %s", a->name, linked ? "linked again" : "cut off");
    sim_check_disturb(a->sim, 10000);
    a->sim->stats.losses += !linked;
    a->linked = linked;
    if (!linked)
        return;
    a->node_seen = 0;
    for (size_t i = 0; i < SIM_SLOTS; i++)
        a->slots[i].posted = false;
    agent_sync_soon(a, 10, 500);
}
