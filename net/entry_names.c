#include "net/entry_names.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#define ENTRY_NAMES_MAX      256
#define ENTRY_NAMES_FRESH_MS 30000
#define ENTRY_NAMES_AGAIN_MS 5000
#define ENTRY_NAMES_LOOK_MS  1000
/* A resolver that does not answer holds a thread for long: the others are left to others. */
#define ENTRY_NAMES_MAX_ASKS 2

struct entry_name {
    struct entry_names *owner; /* NULL: not wanted any more */
    char *name;                /* owned */
    uv_getaddrinfo_t ask;
    bool is_asking, is_wanted;
    int64_t due_ms;
};

struct entry_names {
    uv_loop_t *loop; /* borrowed */
    struct timer *look;
    struct map *names;    /* to struct entry_name, owned */
    struct map *resolved; /* to struct entry_resolved, owned */
    unsigned n_asks;
    void (*on_change)(void *arg);
    void *arg;
};

static void entry_name_free(void *value)
{
    struct entry_name *n = value;

    n->owner = NULL;
    if (n->is_asking) { /* its callback frees it */
        uv_cancel((uv_req_t *)&n->ask);
        return;
    }
    free(n->name);
    free(n);
}

/* --- answers --- */

static void entry_names_read(struct entry_resolved *ret, const struct addrinfo *list)
{
    memset(ret, 0, sizeof(*ret));
    for (; list != NULL && ret->n < ENTRY_RESOLVED_MAX; list = list->ai_next) {
        const void *at =
            list->ai_family == AF_INET
                ? (const void *)&((const struct sockaddr_in *)(const void *)list->ai_addr)->sin_addr
                : (const void *)&((const struct sockaddr_in6 *)(const void *)list->ai_addr)
                      ->sin6_addr;

        if ((list->ai_family == AF_INET || list->ai_family == AF_INET6) &&
            inet_ntop(list->ai_family, at, ret->ips[ret->n], sizeof(ret->ips[0])) != NULL)
            ret->n++;
    }
}

/* A resolver turns its answers round: that is no news. */
static int entry_names_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool entry_names_take(struct entry_names *n, const char *name, const struct addrinfo *list)
{
    struct entry_resolved *found = MEM_NEW(struct entry_resolved);
    const struct entry_resolved *before = map_get(n->resolved, name);
    bool is_news;

    entry_names_read(found, list);
    qsort(found->ips, found->n, sizeof(found->ips[0]), entry_names_compare);
    is_news = before == NULL || memcmp(before, found, sizeof(*found)) != 0;
    map_put(n->resolved, name, found);
    return is_news;
}

static void entry_names_look(struct entry_names *n);

static void entry_names_on_answer(uv_getaddrinfo_t *ask, int status, struct addrinfo *list)
{
    struct entry_name *one = container_of(ask, struct entry_name, ask);
    struct entry_names *n = one->owner;
    bool is_news = false;

    one->is_asking = false;
    if (n == NULL) {
        uv_freeaddrinfo(list);
        entry_name_free(one);
        return;
    }
    n->n_asks--;
    one->due_ms = (int64_t)uv_now(n->loop) +
                  (status == 0 ? ENTRY_NAMES_FRESH_MS : ENTRY_NAMES_AGAIN_MS);
    if (status == 0)
        is_news = entry_names_take(n, one->name, list);
    else
        log_debug("name not found", KV("name", "%s", one->name),
                  KV("why", "%s", uv_strerror(status)));
    uv_freeaddrinfo(list);
    entry_names_look(n);
    if (is_news)
        n->on_change(n->arg);
}

/* --- questions --- */

static void entry_names_ask(struct entry_names *n, struct entry_name *one)
{
    static const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

    one->due_ms = (int64_t)uv_now(n->loop) + ENTRY_NAMES_AGAIN_MS;
    if (uv_getaddrinfo(n->loop, &one->ask, entry_names_on_answer, one->name, NULL, &hints) != 0)
        return;
    one->is_asking = true;
    n->n_asks++;
}

static void entry_names_look(struct entry_names *n)
{
    size_t it = 0;
    const char *key;
    void *value;

    while (n->n_asks < ENTRY_NAMES_MAX_ASKS && map_each(n->names, &it, &key, &value)) {
        struct entry_name *one = value;

        if (!one->is_asking && one->due_ms <= (int64_t)uv_now(n->loop))
            entry_names_ask(n, one);
    }
    if (map_len(n->names) > 0 && !timer_active(n->look))
        timer_start(n->look, ENTRY_NAMES_LOOK_MS);
}

static void entry_names_on_look(void *arg)
{
    entry_names_look(arg);
}

void entry_names_want(struct entry_names *n, const char *const *names, size_t n_names)
{
    size_t it = 0;
    const char *key;
    void *value;

    while (map_each(n->names, &it, &key, &value))
        ((struct entry_name *)value)->is_wanted = false;
    for (size_t i = 0; i < n_names; i++) {
        struct entry_name *one = map_get(n->names, names[i]);

        if (one == NULL && map_len(n->names) >= ENTRY_NAMES_MAX)
            break;
        if (one == NULL) {
            one = MEM_NEW(struct entry_name);
            one->owner = n;
            one->name = mem_str(names[i]);
            map_put(n->names, names[i], one);
        }
        one->is_wanted = true;
    }
    it = 0;
    while (map_each(n->names, &it, &key, &value)) {
        struct entry_name *one = value;

        if (one->is_wanted)
            continue;
        n->n_asks -= one->is_asking;
        map_del(n->resolved, key);
        map_del(n->names, key);
    }
    entry_names_look(n);
}

const struct map *entry_names_resolved(const struct entry_names *n)
{
    return n->resolved;
}

/* --- life --- */

struct entry_names *entry_names_new(uv_loop_t *loop, void (*on_change)(void *arg), void *arg)
{
    struct entry_names *n = MEM_NEW(struct entry_names);

    n->loop = loop;
    n->look = timer_new(loop, entry_names_on_look, n);
    n->names = map_new(entry_name_free);
    n->resolved = map_new(free);
    n->on_change = on_change;
    n->arg = arg;
    return n;
}

struct entry_names *entry_names_close(struct entry_names *n)
{
    if (n == NULL)
        return NULL;
    timer_close(n->look);
    map_free(n->names);
    map_free(n->resolved);
    free(n);
    return NULL;
}
