#include "nodeagent/events.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define EVENTS_KNOWN_MAX   1024 /* remembered for counting */
#define EVENTS_MESSAGE_MAX 1024 /* of a message, as the API has it */
#define EVENTS_BURST       200
#define EVENTS_PER_S       10
#define EVENTS_CALLS_MAX   64 /* on their way at once */

struct event_known {
    char *name; /* of the Event object */
    unsigned count;
};

struct events {
    uv_loop_t *loop;
    struct client *client;
    char *node_name;
    struct map *known; /* what was said, to struct event_known */
    struct map *calls; /* number as text, to struct event_call */
    uint64_t n_calls;
    int64_t tokens_milli; /* of the rate limit */
    uint64_t last_stamp;  /* part of the last name given */
    int64_t filled_ms;
};

struct event_call {
    struct events *owner;
    char key[24];
    char *known; /* of a repetition: what is forgotten when its Event is no more */
    struct client_call *call;
};

static void event_known_free(void *value)
{
    struct event_known *k = value;

    free(k->name);
    free(k);
}

static void event_call_free(void *value)
{
    struct event_call *c = value;

    if (c->call != NULL)
        client_call_cancel(c->call);
    free(c->known);
    free(c);
}

struct events *events_new(uv_loop_t *loop, struct client *client, const char *node_name)
{
    struct events *e = MEM_NEW(struct events);

    e->loop = loop;
    e->client = client;
    e->node_name = mem_str(node_name);
    e->known = map_new(event_known_free);
    e->calls = map_new(event_call_free);
    e->tokens_milli = EVENTS_BURST * 1000;
    e->filled_ms = clock_mono_ms();
    return e;
}

struct events *events_close(struct events *e)
{
    if (e == NULL)
        return NULL;
    map_free(e->calls);
    map_free(e->known);
    free(e->node_name);
    free(e);
    return NULL;
}

static bool events_may(struct events *e)
{
    int64_t now = clock_mono_ms();

    e->tokens_milli += (now - e->filled_ms) * EVENTS_PER_S;
    e->filled_ms = now;
    if (e->tokens_milli > EVENTS_BURST * 1000)
        e->tokens_milli = EVENTS_BURST * 1000;
    if (e->tokens_milli < 1000 || map_len(e->calls) >= EVENTS_CALLS_MAX)
        return false;
    e->tokens_milli -= 1000;
    return true;
}

static void events_on_done(void *arg, int rc, int status, const json_t *body UNUSED,
                           const struct err *err)
{
    struct event_call *c = arg;
    struct events *e = c->owner;
    char key[sizeof(c->key)];

    if (rc < 0)
        log_debug("event not delivered", KV_ERR(err));
    if (status == 404 && c->known != NULL)
        map_del(e->known, c->known);
    c->call = NULL;
    memcpy(key, c->key, sizeof(key));
    map_del(e->calls, key); /* frees c */
}

/* @known: key of what is repeated, NULL for a first time. */
static void events_send(struct events *e, const char *method, const char *path, const char *type,
                        const json_t *body, const char *known)
{
    struct event_call *c = MEM_NEW(struct event_call);

    c->owner = e;
    c->known = mem_str(known);
    snprintf(c->key, sizeof(c->key), "%llu", (unsigned long long)e->n_calls++);
    map_put(e->calls, c->key, c);
    c->call = client_call(e->client, method, path, type, body, events_on_done, c);
}

/* Says it again: count and time of the Event there is. */
static void events_repeat(struct events *e, struct event_known *k, const char *ns, const char *key)
{
    cleanup(freep) char *path = mem_fmt("/api/v1/namespaces/%s/events/%s", ns, k->name);
    cleanup(json_decrefpp) json_t *patch = NULL;
    char now[CLOCK_TEXT_MAX];

    clock_print(now, clock_wall_ms());
    patch = json_pack("{s:I, s:s}", "count", (json_int_t)++k->count, "lastTimestamp", now);
    events_send(e, "PATCH", path, "application/merge-patch+json", patch, key);
}

/* Nanoseconds, as in Kubernetes' names of Events: of one second they are read in the order of
 * their names.  Never the same twice. */
static uint64_t events_stamp(struct events *e)
{
    uint64_t now = (uint64_t)clock_wall_ms() * 1000000;

    e->last_stamp = now > e->last_stamp ? now : e->last_stamp + 1;
    return e->last_stamp;
}

/* @object is consumed. */
static void events_first(struct events *e, const char *ns, const char *about, json_t *object,
                         enum event_type type, const char *reason, const char *message,
                         const char *key)
{
    cleanup(freep) char *path = mem_fmt("/api/v1/namespaces/%s/events", ns);
    cleanup(json_decrefpp) json_t *event = NULL;
    struct event_known *k = MEM_NEW(struct event_known);
    char now[CLOCK_TEXT_MAX];

    clock_print(now, clock_wall_ms());
    k->name = mem_fmt("%.200s.%016llx", about, (unsigned long long)events_stamp(e));
    k->count = 1;
    if (map_len(e->known) >= EVENTS_KNOWN_MAX) {
        map_free(e->known); /* counting starts anew; the Events stay */
        e->known = map_new(event_known_free);
    }
    map_put(e->known, key, k);
    event = json_pack(
        "{s:s, s:s, s:{s:s, s:s}, s:o, s:s, s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:i, s:s, s:s}",
        "apiVersion", "v1", "kind", "Event", "metadata", "name", k->name, "namespace", ns,
        "involvedObject", object, "reason", reason, "message", message, "type",
        type == EVENT_NORMAL ? "Normal" : "Warning", "source", "component", "kubelet", "host",
        e->node_name, "firstTimestamp", now, "lastTimestamp", now, "count", 1, "reportingComponent",
        "kubelet", "reportingInstance", e->node_name);
    if (event != NULL) /* not UTF-8: nothing that JSON could carry */
        events_send(e, "POST", path, "application/json", event, NULL);
}

static void events_say(struct events *e, const char *ns, const char *about, json_t *object,
                       enum event_type type, const char *reason, const char *message)
{
    cleanup(freep) char *key = mem_fmt("%s|%s|%s|%s|%s", ns, json_str_or(object, "uid", about),
                                       json_str_or(object, "fieldPath", ""), reason, message);
    struct event_known *k = map_get(e->known, key);

    if (!events_may(e)) {
        json_decref(object);
        return;
    }
    if (k != NULL) {
        json_decref(object);
        events_repeat(e, k, ns, key);
        return;
    }
    events_first(e, ns, about, object, type, reason, message, key);
}

void events_pod(struct events *e, const struct pod_view *pod, const char *container,
                enum event_type type, const char *reason, const char *fmt, ...)
{
    char message[EVENTS_MESSAGE_MAX];
    json_t *object;
    va_list ap;

    if (e == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "apiVersion", "v1", "kind", "Pod",
                       "namespace", pod->ns, "name", pod->name, "uid", pod->uid, "resourceVersion",
                       json_str_or(pod->tree, "metadata.resourceVersion", ""));
    if (container != NULL) {
        static const char *const lists[] = { "containers", "ephemeralContainers",
                                             "initContainers" };
        cleanup(freep) char *path = NULL;
        size_t i = 0;

        while (i + 1 < N_ELEMENTS(lists) &&
               json_find(json_at(pod->spec, lists[i]), "name", container) == NULL)
            i++;
        path = mem_fmt("spec.%s{%s}", lists[i], container);
        json_put_str(object, "fieldPath", path);
    }
    events_say(e, pod->ns, pod->name, object, type, reason, message);
}

void events_node(struct events *e, enum event_type type, const char *reason, const char *fmt, ...)
{
    char message[EVENTS_MESSAGE_MAX];
    va_list ap;

    if (e == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    events_say(e, "default", e->node_name,
               json_pack("{s:s, s:s, s:s, s:s}", "apiVersion", "v1", "kind", "Node", "name",
                         e->node_name, "uid", e->node_name),
               type, reason, message);
}
