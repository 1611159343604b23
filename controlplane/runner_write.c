#include "controlplane/runner_write.h"

#include "api/schema.h"
#include "api/status.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define RUNNER_EVENT_SAME_MS     (60 * 60 * 1000)
#define RUNNER_EVENT_MESSAGE_MAX 1024

static const char *const runner_groups[] = { "system:masters", "system:authenticated", NULL };
static const struct registry_user runner_user = {
    .name = "system:kube-controller-manager",
    .groups = runner_groups,
    .uid = "",
};

struct runner_verb {
    enum registry_verb verb;
    const char *sub;
};

static const struct runner_verb runner_verbs[] = {
    [PLAN_CREATE] = { REGISTRY_CREATE, "" },
    [PLAN_UPDATE] = { REGISTRY_UPDATE, "" },
    [PLAN_STATUS] = { REGISTRY_UPDATE, "status" },
    [PLAN_DELETE] = { REGISTRY_DELETE, "" },
    [PLAN_BIND] = { REGISTRY_CREATE, "binding" },
    [PLAN_FINALIZE] = { REGISTRY_UPDATE, "finalize" },
    [PLAN_SCALE] = { REGISTRY_UPDATE, "scale" },
    [PLAN_APPROVAL] = { REGISTRY_UPDATE, "approval" },
};

static json_t *runner_binding(const struct plan_write *w)
{
    json_t *b = json_object();

    json_put_str(b, "apiVersion", "v1");
    json_put_str(b, "kind", "Binding");
    json_put_str(b, "metadata.name", w->name);
    json_put_str(b, "metadata.namespace", w->ns);
    json_put_str(b, "metadata.uid", w->uid);
    json_put_str(b, "target.kind", "Node");
    json_put_str(b, "target.name", w->node);
    return b;
}

static json_t *runner_delete_options(const struct plan_write *w)
{
    json_t *o = json_object();

    json_put_str(o, "apiVersion", "v1");
    json_put_str(o, "kind", "DeleteOptions");
    json_put_str(o, "propagationPolicy", w->propagation ? w->propagation : "Background");
    if (w->uid)
        json_put_str(o, "preconditions.uid", w->uid);
    if (w->grace_seconds >= 0)
        json_put_int(o, "gracePeriodSeconds", w->grace_seconds);
    return o;
}

/* The definition of that kind went while the plan waited for its turn. */
static void runner_answer_gone(const struct plan_write *w, registry_done_fn done, void *arg)
{
    cleanup(json_decrefpp) json_t *body = status_failure(
        ERR_NOT_FOUND, "the server could not find the requested resource (%s)", w->bucket);
    const struct registry_answer answer = { .http = 404, .body = body };

    done(arg, &answer);
}

void runner_write_submit(struct registry *r, const char *manager, const struct plan_write *w,
                         registry_done_fn done, void *arg)
{
    cleanup(json_decrefpp) json_t *body = NULL;
    struct registry_request req = {
        .verb = runner_verbs[w->verb].verb,
        .resource = schema_bucket(w->bucket),
        .sub = runner_verbs[w->verb].sub,
        .ns = w->ns,
        .name = w->name,
        .user = &runner_user,
        .manager = manager,
        .validation = REGISTRY_IGNORE,
        .grace_seconds = -1,
    };

    assert(w->verb != PLAN_EVENT);
    if (!req.resource) {
        runner_answer_gone(w, done, arg);
        return;
    }
    switch (w->verb) {
    case PLAN_BIND: body = runner_binding(w); break;
    case PLAN_DELETE: body = runner_delete_options(w); break;
    default: body = json_incref(w->tree); break;
    }
    req.body = body;
    registry_write(r, &req, done, arg);
}

const char *runner_write_message(const struct registry_answer *answer)
{
    return json_str_or(answer->body, "message", "unknown error");
}

static bool runner_namespace_goes(const struct registry_answer *answer)
{
    const json_t *causes = json_at(answer->body, "details.causes");

    return answer->http == 403 && json_find(causes, "reason", "NamespaceTerminating") != NULL;
}

enum runner_outcome runner_write_outcome(const struct plan_write *w,
                                         const struct registry_answer *answer)
{
    if (answer->http < 400)
        return RUNNER_DONE;
    if (answer->http == 404 && w->verb == PLAN_DELETE)
        return RUNNER_DONE;
    if (answer->http == 404 && w->verb != PLAN_CREATE)
        return RUNNER_CONFLICT;
    if (runner_namespace_goes(answer))
        return RUNNER_MOOT;
    return answer->http == 409 ? RUNNER_CONFLICT : RUNNER_REFUSED;
}

/* --- Events --- */

static void runner_event_fill(struct text *message, const char *hole, const char *value)
{
    const char *data = text_str(message), *at = strstr(data, hole);
    struct text filled = TEXT_EMPTY;

    if (!at)
        return;
    text_add(&filled, data, (size_t)(at - data));
    text_puts(&filled, value);
    text_puts(&filled, at + strlen(hole));
    text_fini(message);
    *message = filled;
}

static void runner_event_message(json_t *e, const char *name, const char *error)
{
    cleanup(text_fini) struct text message = TEXT_EMPTY;

    text_puts(&message, json_str_or(e, "message", ""));
    if (name)
        runner_event_fill(&message, "{name}", name);
    if (error)
        runner_event_fill(&message, "{error}", error);
    if (message.len > RUNNER_EVENT_MESSAGE_MAX)
        message.data[RUNNER_EVENT_MESSAGE_MAX] = '\0';
    json_put_str(e, "message", text_str(&message));
}

/* The name says what the Event says, so that the same one is found again without a memory of
 * its own, also after a restart.  Names of agents' Events begin with the time (a 1 until the year
 * 2043), ours with a 0: of one second, people read "Scheduled" before "Pulling". */
static char *runner_event_name(const json_t *e)
{
    cleanup(text_fini) struct text key = TEXT_EMPTY;
    const char *parts[] = {
        json_str_or(e, "involvedObject.uid", ""),
        json_str_or(e, "reason", ""),
        json_str_or(e, "message", ""),
        json_str_or(e, "type", ""),
        json_str_or(e, "source.component", ""),
    };

    for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
        text_puts(&key, parts[i]);
        text_putc(&key, '\0');
    }
    return mem_fmt("%.200s.%016llx", json_str_or(e, "involvedObject.name", ""),
                   (unsigned long long)bits_fnv64a(key.data, key.len) >> 4);
}

static bool runner_event_recent(const json_t *old, int64_t now_wall_ms)
{
    const char *last = json_str(old, "lastTimestamp");
    int64_t last_ms;

    return last && clock_parse(last, &last_ms) && now_wall_ms - last_ms < RUNNER_EVENT_SAME_MS;
}

static void runner_event_ignore(void *arg, const struct registry_answer *answer)
{
    (void)arg, (void)answer;
}

void runner_write_event(struct registry *r, const json_t *event, const char *name,
                        const char *error, int64_t now_wall_ms)
{
    cleanup(json_decrefpp) json_t *e = json_deep_copy(event), *old_tree = NULL;
    cleanup(freep) char *event_name = NULL;
    struct registry_request req = {
        .verb = REGISTRY_CREATE,
        .resource = schema_bucket("events"),
        .sub = "",
        .ns = json_str(e, "metadata.namespace"),
        .manager = "kube-controller-manager",
        .user = &runner_user,
        .grace_seconds = -1,
    };
    const struct object *old;
    char now[CLOCK_TEXT_MAX];
    int64_t count = 1;

    clock_print(now, now_wall_ms);
    runner_event_message(e, name, error);
    event_name = runner_event_name(e);
    json_put_str(e, "apiVersion", "v1");
    json_put_str(e, "kind", "Event");
    json_put_str(e, "metadata.name", event_name);
    json_put_str(e, "firstTimestamp", now);
    old = store_latest(registry_store(r), "events", req.ns, event_name);
    if (old) {
        req.verb = REGISTRY_UPDATE;
        old_tree = object_tree(old);
        if (runner_event_recent(old_tree, now_wall_ms)) {
            count = json_int(old_tree, "count", 1) + 1;
            json_put_str(e, "firstTimestamp", json_str_or(old_tree, "firstTimestamp", now));
        }
    }
    json_put_str(e, "lastTimestamp", now);
    json_put_int(e, "count", count);
    req.name = old ? event_name : "";
    req.body = e;
    registry_write(r, &req, runner_event_ignore, NULL);
}
