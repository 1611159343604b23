#include "net/entry_status.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define ENTRY_STATUS_MAX_CALLS    16
#define ENTRY_STATUS_RETRY_MIN_MS 500
#define ENTRY_STATUS_RETRY_MAX_MS 30000

struct entry_status {
    struct client *client;
    char *ip;
    struct timer *retry;
    int64_t retry_ms;
    struct map *calls; /* path to struct entry_status_call, owned */
    bool is_left_over; /* something waited for room among the calls */
    void (*again)(void *arg);
    void *arg;
};

struct entry_status_call {
    struct entry_status *owner;
    char *path;
    struct client_call *call;
};

static void entry_status_call_free(void *value)
{
    struct entry_status_call *c = value;

    if (c->call != NULL)
        client_call_cancel(c->call);
    free(c->path);
    free(c);
}

static void entry_status_on_retry(void *arg)
{
    struct entry_status *s = arg;

    s->again(s->arg);
}

struct entry_status *entry_status_new(uv_loop_t *loop, struct client *client, const char *ip,
                                      void (*again)(void *arg), void *arg)
{
    struct entry_status *s = MEM_NEW(struct entry_status);

    s->client = client;
    s->ip = mem_str(ip);
    s->retry = timer_new(loop, entry_status_on_retry, s);
    s->retry_ms = ENTRY_STATUS_RETRY_MIN_MS;
    s->calls = map_new(entry_status_call_free);
    s->again = again;
    s->arg = arg;
    return s;
}

struct entry_status *entry_status_close(struct entry_status *s)
{
    if (s == NULL)
        return NULL;
    timer_close(s->retry);
    map_free(s->calls);
    free(s->ip);
    free(s);
    return NULL;
}

static char *entry_status_choose(const char *published, const char *ours, bool serves)
{
    const char *want = serves ? ours : "";

    if (str_eq(published, want))
        return NULL;
    /* What somebody else put there is not ours to take away. */
    if (!serves && !str_eq(published, ours))
        return NULL;
    return mem_str(want);
}

char *entry_status_want(const char *published, const char *ip, bool is_service, bool serves)
{
    cleanup(freep) char *ours = is_service ? mem_fmt("[{\"ip\":\"%s\",\"ipMode\":\"VIP\"}]", ip)
                                           : mem_fmt("[{\"ip\":\"%s\"}]", ip);

    return entry_status_choose(published, ours, serves);
}

char *entry_status_want_named(const char *published, const char *ip, const char *hostname,
                              bool serves)
{
    cleanup(freep) char *ours = mem_fmt("[{\"hostname\":\"%s\",\"ip\":\"%s\"}]", hostname, ip);

    return entry_status_choose(published, ours, serves);
}

char *entry_status_hostname(const char *ns, const char *name)
{
    size_t len = strlen(ns) + strlen(name) + strlen("..elb.mkube.local");

    /* RFC 1123: labels of 63, names of 253. */
    for (const char *p = name; *p != '\0'; p += strspn(p, ".")) {
        size_t label = strcspn(p, ".");

        if (label > 63)
            return NULL;
        p += label;
    }
    return len <= 253 ? mem_fmt("%s.%s.elb.mkube.local", name, ns) : NULL;
}

/* --- writing --- */

static void entry_status_on_done(void *arg, int rc, int status, const json_t *body UNUSED,
                                 const struct err *err)
{
    struct entry_status_call *c = arg;
    struct entry_status *s = c->owner;
    cleanup(freep) char *path = mem_str(c->path);

    c->call = NULL;
    map_del(s->calls, path);
    if (rc < 0 && status != 404) {
        log_warn("status not written", KV("path", "%s", path), KV_ERR(err));
        timer_start(s->retry, s->retry_ms);
        s->retry_ms = s->retry_ms * 2 < ENTRY_STATUS_RETRY_MAX_MS ? s->retry_ms * 2
                                                                  : ENTRY_STATUS_RETRY_MAX_MS;
        return;
    }
    s->retry_ms = ENTRY_STATUS_RETRY_MIN_MS;
    if (s->is_left_over) {
        s->is_left_over = false;
        s->again(s->arg);
    }
}

/* @path and @patch are consumed. */
static void entry_status_patch(struct entry_status *s, char *path, json_t *patch)
{
    cleanup(freep) char *own_path = path;
    cleanup(json_decrefpp) json_t *own_patch = patch;
    struct entry_status_call *c;

    if (map_get(s->calls, path) != NULL)
        return; /* its answer brings the object anew */
    if (map_len(s->calls) >= ENTRY_STATUS_MAX_CALLS) {
        s->is_left_over = true;
        return;
    }
    c = MEM_NEW(struct entry_status_call);
    c->owner = s;
    c->path = mem_str(path);
    map_put(s->calls, path, c);
    c->call = client_call(s->client, "PATCH", path, "application/merge-patch+json", patch,
                          entry_status_on_done, c);
}

/* @path and @want are consumed. */
static void entry_status_write(struct entry_status *s, char *path, char *want)
{
    cleanup(freep) char *own_want = want;
    json_t *patch = json_object(), *list = NULL;
    struct err err = ERR_EMPTY;

    if (want[0] == '\0' || json_parse(&list, want, strlen(want), NULL, &err) < 0)
        list = json_null();
    json_put(patch, "status.loadBalancer.ingress", list);
    entry_status_patch(s, path, patch);
}

void entry_status_ingress(struct entry_status *s, const struct entry_ingress *i, bool serves)
{
    cleanup(freep) char *hostname = i->is_alb ? entry_status_hostname(i->who.ns, i->who.name)
                                              : NULL;
    char *want = hostname != NULL ? entry_status_want_named(i->published, s->ip, hostname, serves)
                                  : entry_status_want(i->published, s->ip, false, serves);

    if (want != NULL)
        entry_status_write(s,
                           mem_fmt("/apis/networking.k8s.io/v1/namespaces/%s/ingresses/%s/status",
                                   i->who.ns, i->who.name),
                           want);
}

void entry_status_service(struct entry_status *s, const struct entry_service *v, bool serves)
{
    char *want = entry_status_want(v->published, s->ip, true, serves);

    if (want != NULL)
        entry_status_write(
            s, mem_fmt("/api/v1/namespaces/%s/services/%s/status", v->who.ns, v->who.name), want);
}

void entry_status_group(struct entry_status *s, const struct entry_group *g)
{
    json_t *patch;

    if (g->observed == g->generation)
        return;
    patch = json_object();
    json_put_int(patch, "status.observedGeneration", g->generation);
    entry_status_patch(
        s,
        mem_fmt("/apis/elbv2.k8s.aws/v1beta1/namespaces/%s/targetgroupbindings/%s/status",
                g->who.ns, g->who.name),
        patch);
}
