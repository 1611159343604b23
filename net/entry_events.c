#include "net/entry_events.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

#define ENTRY_EVENTS_MAX_KNOWN 4096
#define ENTRY_EVENTS_MAX_CALLS 32
/* Events live for an hour (semantics of the API): after that it is said again. */
#define ENTRY_EVENTS_AGAIN_MS  (3600 * 1000)

struct entry_events {
    struct client *client;
    struct map *known; /* what was said, to int64_t when; owned */
    struct map *calls; /* Event name to struct entry_event; owned */
};

struct entry_event {
    struct entry_events *owner;
    char *name;
    struct client_call *call;
};

struct entry_news {
    const char *type, *reason, *message, *component;
};

static const struct {
    const char *api_version, *kind;
} entry_kinds[] = {
    [ENTRY_INGRESS] = { "networking.k8s.io/v1", "Ingress" },
    [ENTRY_SERVICE] = { "v1", "Service" },
    [ENTRY_GROUP] = { "elbv2.k8s.aws/v1beta1", "TargetGroupBinding" },
};

static void entry_event_free(void *value)
{
    struct entry_event *e = value;

    if (e->call != NULL)
        client_call_cancel(e->call);
    free(e->name);
    free(e);
}

struct entry_events *entry_events_new(struct client *client)
{
    struct entry_events *e = MEM_NEW(struct entry_events);

    e->client = client;
    e->known = map_new(free);
    e->calls = map_new(entry_event_free);
    return e;
}

struct entry_events *entry_events_close(struct entry_events *e)
{
    if (e == NULL)
        return NULL;
    map_free(e->calls);
    map_free(e->known);
    free(e);
    return NULL;
}

static void entry_events_on_done(void *arg, int rc, int status UNUSED, const json_t *body UNUSED,
                                 const struct err *err)
{
    struct entry_event *event = arg;
    cleanup(freep) char *name = mem_str(event->name);

    event->call = NULL;
    if (rc < 0)
        log_debug("event not delivered", KV_ERR(err));
    map_del(event->owner->calls, name);
}

/* Was it said lately?  If not, it counts as said now. */
static bool entry_events_knows(struct entry_events *e, const char *key)
{
    int64_t *said = map_get(e->known, key), now = clock_mono_ms();

    if (said != NULL && now - *said < ENTRY_EVENTS_AGAIN_MS)
        return true;
    if (map_len(e->known) >= ENTRY_EVENTS_MAX_KNOWN) {
        map_free(e->known);
        e->known = map_new(free);
    }
    map_put(e->known, key, mem_dup(&now, sizeof(now)));
    return false;
}

/* @key: what makes it another thing to say. */
static void entry_events_say(struct entry_events *e, enum entry_kind kind,
                             const struct entry_who *who, const char *key,
                             const struct entry_news *news)
{
    cleanup(freep) char *path = mem_fmt("/api/v1/namespaces/%s/events", who->ns);
    cleanup(json_decrefpp) json_t *tree = NULL;
    bool is_warning = str_eq(news->type, "Warning");
    struct entry_event *event;
    char now[CLOCK_TEXT_MAX];
    uint64_t random;

    if (map_len(e->calls) >= ENTRY_EVENTS_MAX_CALLS || entry_events_knows(e, key))
        return;
    if (is_warning)
        log_warn("not served", KV("kind", "%s", entry_kinds[kind].kind), KV("ns", "%s", who->ns),
                 KV("name", "%s", who->name), KV("why", "%s", news->message));
    bits_random(&random, sizeof(random));
    clock_print(now, clock_wall_ms());
    event = MEM_NEW(struct entry_event);
    event->owner = e;
    event->name = mem_fmt("%.200s.%016llx", who->name, (unsigned long long)random);
    tree = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:{s:s},"
                     " s:s, s:s, s:i, s:s, s:s}",
                     "apiVersion", "v1", "kind", "Event", "metadata", "name", event->name,
                     "namespace", who->ns, "involvedObject", "apiVersion",
                     entry_kinds[kind].api_version, "kind", entry_kinds[kind].kind, "namespace",
                     who->ns, "name", who->name, "uid", who->uid, "reason", news->reason, "message",
                     news->message, "type", news->type, "source", "component", news->component,
                     "firstTimestamp", now, "lastTimestamp", now, "count", 1, "reportingComponent",
                     news->component, "reportingInstance", "");
    map_put(e->calls, event->name, event);
    event->call = client_call(e->client, "POST", path, "application/json", tree,
                              entry_events_on_done, event);
}

void entry_events_warn(struct entry_events *e, enum entry_kind kind, const struct entry_who *who,
                       const char *reason, const char *message)
{
    cleanup(freep) char *key = mem_fmt("%s|%s|%s", who->uid, reason, message);
    struct entry_news news = {
        .type = "Warning", .reason = reason, .message = message, .component = "mkube-entry"
    };

    entry_events_say(e, kind, who, key, &news);
}

void entry_events_synced(struct entry_events *e, const struct entry_ingress *i)
{
    static const struct entry_news synced = { .type = "Normal",
                                              .reason = "Sync",
                                              .message = "Scheduled for sync",
                                              .component = "nginx-ingress-controller" },
                                   reconciled = { .type = "Normal",
                                                  .reason = "SuccessfullyReconciled",
                                                  .message = "Successfully reconciled",
                                                  .component = "ingress" };
    cleanup(freep) char *key = mem_fmt("%s|%016llx", i->who.uid, (unsigned long long)i->version);

    entry_events_say(e, ENTRY_INGRESS, &i->who, key, i->is_alb ? &reconciled : &synced);
}
