#include "api/informer.h"

#include "api/schema.h"
#include "base/bits.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define INFORMER_LISTENERS_MAX 16
#define INFORMER_RETRY_MIN_MS  100
#define INFORMER_RETRY_MAX_MS  10000
#define INFORMER_LINE_MAX      (8 * 1024 * 1024)
#define INFORMER_WATCH_SECONDS 600

struct informer {
    uv_loop_t *loop;
    struct client *client; /* borrowed */
    const struct schema_resource *resource;
    char *ns, *fields, *labels;  /* owned or NULL */
    struct client_listener back; /* in the client's list, once started */
    struct informer_listener listeners[INFORMER_LISTENERS_MAX];
    unsigned n_listeners;
    struct map *objects;      /* "ns/name" -> struct object, owned refs */
    struct client_call *list; /* under way, or NULL */
    struct http_call *watch;  /* under way, or NULL */
    struct text line;         /* the unfinished line of the watch */
    struct timer *retry;
    int64_t retry_ms;
    uint64_t revision; /* where the watch goes on; 0 = list first */
    bool synced, connected, started;
    bool relist;  /* the watch said that our revision is gone */
    bool heard;   /* this watch brought something */
    bool telling; /* inside a listener */
};

static void informer_unref_object(void *value)
{
    object_unref(value);
}

static void informer_connect(struct informer *i);

/* --- telling --- */

static void informer_tell(struct informer *i, const struct object *object,
                          const struct object *before)
{
    i->telling = true;
    for (unsigned l = 0; l < i->n_listeners; l++)
        i->listeners[l].on_change(i->listeners[l].arg, object, before);
    i->telling = false;
}

static void informer_set_connected(struct informer *i, bool connected)
{
    if (i->connected == connected)
        return;
    i->connected = connected;
    i->telling = true;
    for (unsigned l = 0; l < i->n_listeners; l++)
        if (i->listeners[l].on_connected != NULL)
            i->listeners[l].on_connected(i->listeners[l].arg, connected);
    i->telling = false;
}

static char *informer_key(const char *ns, const char *name)
{
    return mem_fmt("%s/%s", ns, name);
}

/* The copy first, then the listeners; @object is taken over. */
static void informer_put(struct informer *i, struct object *object)
{
    cleanup(freep) char *key = informer_key(object->ns, object->name);
    struct object *before = map_take(i->objects, key);

    map_put(i->objects, key, object);
    if (before == NULL || before->revision != object->revision)
        informer_tell(i, object, before);
    object_unref(before);
}

static void informer_drop(struct informer *i, const char *ns, const char *name)
{
    cleanup(freep) char *key = informer_key(ns, name);
    struct object *before = map_take(i->objects, key);

    if (before != NULL)
        informer_tell(i, NULL, before);
    object_unref(before);
}

/* --- retry --- */

static void informer_on_retry(void *arg)
{
    informer_connect(arg);
}

static void informer_later(struct informer *i)
{
    uint16_t jitter;

    /* Half to three halves of the pause: agents that lost one server do not return as one. */
    bits_random(&jitter, sizeof(jitter));
    informer_set_connected(i, false);
    timer_start(i->retry, i->retry_ms / 2 + i->retry_ms * jitter / UINT16_MAX);
    i->retry_ms = i->retry_ms * 2 > INFORMER_RETRY_MAX_MS ? INFORMER_RETRY_MAX_MS : i->retry_ms * 2;
}

/* --- LIST --- */

static struct object *informer_load(struct informer *i, json_t *tree)
{
    char version[128];
    const char *revision = json_str_or(tree, "metadata.resourceVersion", "0");
    uint64_t number = 0;

    if (json_str(tree, "metadata.name") == NULL || !str_u64(revision, &number))
        return NULL;
    /* Items of a list may leave out what the list says already. */
    schema_api_version(version, sizeof(version), i->resource);
    if (json_str(tree, "kind") == NULL)
        json_put_str(tree, "kind", i->resource->kind);
    if (json_str(tree, "apiVersion") == NULL)
        json_put_str(tree, "apiVersion", version);
    return object_new(i->resource->bucket, number, tree);
}

/* What was here and is not in the list is gone. */
static void informer_drop_missing(struct informer *i, struct map *seen)
{
    const char **keys = map_keys(i->objects);

    for (size_t k = 0; keys[k] != NULL; k++) {
        struct object *o;

        if (map_get(seen, keys[k]) != NULL)
            continue;
        o = object_ref(map_get(i->objects, keys[k]));
        informer_drop(i, o->ns, o->name);
        object_unref(o);
    }
    free(keys);
}

static void informer_take_list(struct informer *i, const json_t *body)
{
    struct map *seen = map_new(NULL);
    size_t n;
    json_t *item;

    json_array_foreach (json_at(body, "items"), n, item) {
        struct object *o = informer_load(i, item);
        cleanup(freep) char *key = o != NULL ? informer_key(o->ns, o->name) : NULL;

        if (o == NULL)
            continue;
        map_put(seen, key, o);
        informer_put(i, o);
    }
    informer_drop_missing(i, seen);
    map_free(seen);
}

static void informer_set_synced(struct informer *i)
{
    i->synced = true;
    i->telling = true;
    for (unsigned l = 0; l < i->n_listeners; l++)
        if (i->listeners[l].on_synced != NULL)
            i->listeners[l].on_synced(i->listeners[l].arg);
    i->telling = false;
}

static void informer_on_list(void *arg, int rc, int status, const json_t *body,
                             const struct err *err)
{
    struct informer *i = arg;

    (void)status;
    (void)err;
    i->list = NULL;
    if (rc < 0 || !str_u64(json_str_or(body, "metadata.resourceVersion", ""), &i->revision)) {
        i->revision = 0;
        informer_later(i);
        return;
    }
    informer_take_list(i, body);
    i->relist = false;
    informer_set_connected(i, true);
    if (!i->synced)
        informer_set_synced(i);
    informer_connect(i);
}

/* --- WATCH --- */

static void informer_on_event(struct informer *i, json_t *event)
{
    const char *type = json_str_or(event, "type", "");
    json_t *tree = json_at(event, "object");
    uint64_t revision;

    if (str_eq(type, "ERROR")) {
        i->relist = true;
        return;
    }
    if (str_u64(json_str_or(tree, "metadata.resourceVersion", ""), &revision) &&
        revision > i->revision)
        i->revision = revision;
    if (str_eq(type, "ADDED") || str_eq(type, "MODIFIED")) {
        struct object *o = informer_load(i, tree);

        if (o != NULL)
            informer_put(i, o);
    } else if (str_eq(type, "DELETED")) {
        informer_drop(i, json_str_or(tree, "metadata.namespace", ""),
                      json_str_or(tree, "metadata.name", ""));
    }
}

static void informer_on_line(struct informer *i, const char *line, size_t len)
{
    struct err err = ERR_EMPTY;
    cleanup(json_decrefpp) json_t *event = NULL;

    if (len == 0)
        return;
    if (json_parse(&event, line, len, NULL, &err) < 0)
        i->relist = true; /* we cannot know what we missed */
    else
        informer_on_event(i, event);
}

/* Chunks into lines; a line is one event. */
static int informer_on_data(void *arg, const struct http_head *head, const void *data, size_t len)
{
    struct informer *i = arg;
    const char *p = data;
    const char *end = p + len;

    (void)head;
    i->heard = true;
    informer_set_connected(i, true);
    i->retry_ms = INFORMER_RETRY_MIN_MS;
    while (p < end && !i->relist) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));

        text_add(&i->line, p, (size_t)((newline != NULL ? newline : end) - p));
        p = newline != NULL ? newline + 1 : end;
        if (newline != NULL) {
            informer_on_line(i, text_str(&i->line), i->line.len);
            text_clear(&i->line);
        }
    }
    i->relist = i->relist || i->line.len > INFORMER_LINE_MAX;
    return i->relist ? -1 : 0;
}

static void informer_on_watch_done(void *arg, int rc, const struct http_head *head,
                                   const void *body, size_t len, const struct err *err)
{
    struct informer *i = arg;

    (void)body;
    (void)len;
    (void)err;
    i->watch = NULL;
    text_clear(&i->line);
    if (i->relist || (rc == 0 && head->status == 410)) {
        i->revision = 0;
        i->relist = false;
        timer_start(i->retry, INFORMER_RETRY_MIN_MS); /* never a list right behind a list */
    } else if (rc == 0 && head->status == 200 && i->heard) {
        /* Ended in good order: go on where we were. */
        timer_start(i->retry, INFORMER_RETRY_MIN_MS);
    } else {
        /* A refused watch (a token that expired, a revision from before a power cut) lists anew. */
        if (rc == 0 && head->status != 200)
            i->revision = 0;
        informer_later(i);
    }
}

/* --- connecting --- */

static void informer_add_query(struct text *path, char *sep, const char *key, const char *value)
{
    if (value == NULL)
        return;
    text_fmt(path, "%c%s=", *sep, key);
    for (const char *s = value; *s != '\0'; s++)
        if (strchr("=!,()&+ %#?", *s) != NULL)
            text_fmt(path, "%%%02X", (unsigned char)*s);
        else
            text_putc(path, *s);
    *sep = '&';
}

static void informer_connect(struct informer *i)
{
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    char number[32];
    char sep = '?';
    struct http_call_listener listener = { .on_data = informer_on_data,
                                           .on_done = informer_on_watch_done,
                                           .arg = i };

    assert(i->list == NULL && i->watch == NULL);
    client_path(&path, i->resource, i->ns, NULL, NULL);
    informer_add_query(&path, &sep, "fieldSelector", i->fields);
    informer_add_query(&path, &sep, "labelSelector", i->labels);
    if (i->revision == 0) {
        i->list = client_call(i->client, "GET", text_str(&path), NULL, NULL, informer_on_list, i);
        return;
    }
    snprintf(number, sizeof(number), "%llu", (unsigned long long)i->revision);
    informer_add_query(&path, &sep, "watch", "true");
    informer_add_query(&path, &sep, "allowWatchBookmarks", "true");
    informer_add_query(&path, &sep, "resourceVersion", number);
    snprintf(number, sizeof(number), "%d", INFORMER_WATCH_SECONDS);
    informer_add_query(&path, &sep, "timeoutSeconds", number);
    i->heard = false;
    i->watch = client_stream(i->client, text_str(&path), &listener);
}

/* The server answers again: a stream from before may be dead without saying so, and nobody need
 * wait for the back-off. */
static void informer_on_back(void *arg)
{
    struct informer *i = arg;

    if (i->list != NULL)
        return; /* young: the client has ended the old ones */
    if (i->watch != NULL)
        http_call_cancel(STEAL(i->watch));
    text_clear(&i->line);
    timer_stop(i->retry);
    i->retry_ms = INFORMER_RETRY_MIN_MS;
    informer_connect(i);
}

/* --- life --- */

int informer_new(struct informer **ret, uv_loop_t *loop, const struct informer_opts *opts,
                 struct err *err)
{
    struct informer *i;
    const struct schema_resource *resource = schema_bucket(opts->bucket);

    if (resource == NULL)
        return err_set(err, ERR_NOT_FOUND, "no resource is called %s", opts->bucket);
    i = MEM_NEW(struct informer);
    i->loop = loop;
    i->client = opts->client;
    i->resource = resource;
    i->ns = mem_str(opts->ns);
    i->fields = mem_str(opts->field_selector);
    i->labels = mem_str(opts->label_selector);
    i->objects = map_new(informer_unref_object);
    i->retry = timer_new(loop, informer_on_retry, i);
    i->retry_ms = INFORMER_RETRY_MIN_MS;
    *ret = i;
    return 0;
}

void informer_listen(struct informer *i, const struct informer_listener *l)
{
    assert(!i->started && i->n_listeners < INFORMER_LISTENERS_MAX);
    i->listeners[i->n_listeners++] = *l;
}

void informer_start(struct informer *i)
{
    assert(!i->started);
    i->started = true;
    i->back = (struct client_listener){ .on_back = informer_on_back, .arg = i };
    client_listen(i->client, &i->back);
    informer_connect(i);
}

bool informer_synced(const struct informer *i)
{
    return i->synced;
}

bool informer_connected(const struct informer *i)
{
    return i->connected;
}

const struct object *informer_get(const struct informer *i, const char *ns, const char *name)
{
    cleanup(freep) char *key = informer_key(ns != NULL ? ns : "", name);

    return map_get(i->objects, key);
}

const struct object *informer_next(const struct informer *i, size_t *it)
{
    const char *key;
    void *value;

    return map_each(i->objects, it, &key, &value) ? value : NULL;
}

size_t informer_count(const struct informer *i)
{
    return map_len(i->objects);
}

struct informer *informer_close(struct informer *i)
{
    if (i == NULL)
        return NULL;
    assert(!i->telling);
    client_unlisten(&i->back);
    if (i->list != NULL)
        client_call_cancel(i->list);
    if (i->watch != NULL)
        http_call_cancel(i->watch);
    timer_close(i->retry);
    map_free(i->objects);
    text_fini(&i->line);
    free(i->ns);
    free(i->fields);
    free(i->labels);
    free(i);
    return NULL;
}
