#include "controlplane/queue.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

struct queue {
    struct map *items; /* owned; key to struct queue_item */
    struct list ready;
    struct queue_item **heap; /* owned; by due_ms, soonest first */
    size_t n_heap, cap_heap;
};

static void queue_item_free(void *arg)
{
    struct queue_item *item = arg;

    free(item->ns);
    free(item->key);
    free(item);
}

struct queue *queue_new(void)
{
    struct queue *q = MEM_NEW(struct queue);

    q->items = map_new(queue_item_free);
    list_init(&q->ready);
    return q;
}

struct queue *queue_free(struct queue *q)
{
    if (!q)
        return NULL;
    map_free(q->items);
    free(q->heap);
    free(q);
    return NULL;
}

/* --- waiting: a binary heap; equal times in order of key, so that runs repeat exactly --- */

static bool queue_before(const struct queue_item *a, const struct queue_item *b)
{
    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms;
    return strcmp(a->key, b->key) < 0;
}

static void queue_heap_set(struct queue *q, size_t i, struct queue_item *item)
{
    q->heap[i] = item;
    item->heap_index = i;
}

static void queue_heap_up(struct queue *q, size_t i)
{
    struct queue_item *item = q->heap[i];

    while (i > 0 && queue_before(item, q->heap[(i - 1) / 2])) {
        queue_heap_set(q, i, q->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    queue_heap_set(q, i, item);
}

static void queue_heap_down(struct queue *q, size_t i)
{
    struct queue_item *item = q->heap[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= q->n_heap)
            break;
        if (child + 1 < q->n_heap && queue_before(q->heap[child + 1], q->heap[child]))
            child++;
        if (!queue_before(q->heap[child], item))
            break;
        queue_heap_set(q, i, q->heap[child]);
        i = child;
    }
    queue_heap_set(q, i, item);
}

static void queue_wait(struct queue *q, struct queue_item *item, int64_t due_ms)
{
    if (q->n_heap == q->cap_heap) {
        q->cap_heap = q->cap_heap ? 2 * q->cap_heap : 16;
        q->heap = mem_grow(q->heap, q->cap_heap, sizeof(struct queue_item *));
    }
    item->state = QUEUE_WAITING;
    item->due_ms = due_ms;
    queue_heap_set(q, q->n_heap++, item);
    queue_heap_up(q, item->heap_index);
}

static void queue_unwait(struct queue *q, struct queue_item *item)
{
    size_t i = item->heap_index;
    struct queue_item *last;

    assert(item->state == QUEUE_WAITING && q->heap[i] == item);
    last = q->heap[--q->n_heap];
    if (last == item)
        return;
    queue_heap_set(q, i, last);
    queue_heap_up(q, i);
    queue_heap_down(q, last->heap_index);
}

/* --- ready and busy --- */

static void queue_make_ready(struct queue *q, struct queue_item *item)
{
    struct list *after = q->ready.prev;

    item->state = QUEUE_READY;
    while (after != &q->ready && list_entry(after, struct queue_item, ready)->rank < item->rank)
        after = after->prev;
    list_add_tail(after->next, &item->ready);
}

static struct queue_item *queue_item_new(struct queue *q, const char *ns, const char *key)
{
    struct queue_item *item = MEM_NEW(struct queue_item);

    item->key = mem_str(key);
    item->ns = mem_str(ns);
    item->name = item->key + strlen(ns) + 1;
    list_init(&item->ready);
    map_put(q->items, key, item);
    return item;
}

static void queue_add_item(struct queue *q, struct queue_item *item)
{
    switch (item->state) {
    case QUEUE_READY: return;
    case QUEUE_WAITING:
        queue_unwait(q, item);
        queue_make_ready(q, item);
        return;
    case QUEUE_BUSY: item->again = true; return;
    }
}

void queue_add(struct queue *q, const char *ns, const char *name)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);
    struct queue_item *item = map_get(q->items, key);

    if (item)
        queue_add_item(q, item);
    else
        queue_make_ready(q, queue_item_new(q, ns, key));
}

void queue_add_ranked(struct queue *q, const char *ns, const char *name, int64_t rank)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);
    struct queue_item *item = map_get(q->items, key);
    bool moves = item && item->state == QUEUE_READY && item->rank != rank;

    if (moves)
        list_del(&item->ready);
    if (!item || moves) {
        item = item ? item : queue_item_new(q, ns, key);
        item->rank = rank;
        queue_make_ready(q, item);
        return;
    }
    item->rank = rank;
    queue_add_item(q, item);
}

struct queue_item *queue_pop(struct queue *q, int64_t now_ms)
{
    struct queue_item *item;

    while (q->n_heap > 0 && q->heap[0]->due_ms <= now_ms) {
        item = q->heap[0];
        queue_unwait(q, item);
        queue_make_ready(q, item);
    }
    if (list_empty(&q->ready))
        return NULL;
    item = list_entry(q->ready.next, struct queue_item, ready);
    list_del(&item->ready);
    item->state = QUEUE_BUSY;
    item->again = false;
    return item;
}

void queue_finish(struct queue *q, struct queue_item *item, int64_t due_ms)
{
    assert(item->state == QUEUE_BUSY);
    if (item->again) {
        item->again = false;
        queue_make_ready(q, item);
    } else if (due_ms >= 0) {
        queue_wait(q, item, due_ms);
    } else {
        cleanup(freep) char *key = mem_str(item->key);

        map_del(q->items, key);
    }
}

int64_t queue_next_due(const struct queue *q)
{
    return q->n_heap > 0 ? q->heap[0]->due_ms : -1;
}

bool queue_is_ready(const struct queue *q, int64_t now_ms)
{
    return !list_empty(&q->ready) || (q->n_heap > 0 && q->heap[0]->due_ms <= now_ms);
}

size_t queue_len(const struct queue *q)
{
    return map_len(q->items);
}
