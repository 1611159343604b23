/* DELETE of a collection: a deletion for each object that was there, some at a time.
 *
 * A turn takes the loop for COLLECTION_TURN_NS, and COLLECTION_IN_FLIGHT deletions wait for the disk
 * at most: a collection of any size holds nobody else up. */
#include "api/server_impl.h"

#include "base/loop.h"
#include "base/mem.h"
#include "storage/store_snapshot.h"

#include <assert.h>

#define COLLECTION_TURN_NS   2000000
#define COLLECTION_IN_FLIGHT 256

struct collection {
    struct list link;  /* in server.collections */
    struct call *call; /* owned until answered */
    struct registry_request req;
    struct registry_user user;
    struct selector *labels;
    struct field_selector *fields;
    struct store_snapshot rows;
    size_t n_listed, n_seen, n_waiting;
    json_t *failure; /* owned: the first refusal */
    struct timer *turn;
    bool is_in_turn, is_stopped;
};

static void collection_free(struct collection *l)
{
    list_del(&l->link);
    store_snapshot_fini(&l->rows);
    selector_free(l->labels);
    field_selector_free(l->fields);
    timer_close(l->turn);
    free(l);
}

static void collection_end(struct collection *l)
{
    cleanup(json_decrefpp) json_t *ok = NULL;
    struct call *c = l->call;
    json_t *failure = l->failure;

    if (!l->is_stopped)
        c->s->n_listed -= l->n_listed;
    collection_free(l);
    ok = json_pack("{s:s, s:s, s:{}, s:s}", "kind", "Status", "apiVersion", "v1", "metadata",
                   "status", "Success");
    if (failure != NULL)
        call_send_status(c, failure);
    else
        call_send_json(c, 200, ok);
}

static void collection_on_deleted(void *arg, const struct registry_answer *answer)
{
    struct collection *l = arg;

    /* Somebody else was faster: that is what was asked for. */
    if (answer->http >= 400 && answer->http != 404 && l->failure == NULL)
        l->failure = json_deep_copy(answer->body);
    assert(l->n_waiting > 0);
    l->n_waiting--;
    if (l->is_in_turn)
        return;
    if (l->is_stopped && l->n_waiting == 0)
        collection_end(l);
    else if (!l->is_stopped && l->n_waiting <= COLLECTION_IN_FLIGHT / 2)
        timer_start(l->turn, 0);
}

static void collection_delete(struct collection *l, const struct object *o)
{
    l->n_waiting++;
    l->req.ns = o->ns;
    l->req.name = o->name;
    registry_write(l->call->s->registry, &l->req, collection_on_deleted, l);
}

static void collection_on_turn(void *arg)
{
    struct collection *l = arg;
    uint64_t began_ns = uv_hrtime();

    l->is_in_turn = true;
    while (l->n_seen < l->rows.n && l->n_waiting < COLLECTION_IN_FLIGHT &&
           uv_hrtime() - began_ns < COLLECTION_TURN_NS) {
        const struct object *o = l->rows.objects[l->n_seen++];

        if (selector_matches(l->labels, o) && field_selector_matches(l->fields, o))
            collection_delete(l, o);
    }
    l->is_in_turn = false;
    if (l->n_seen == l->rows.n && l->n_waiting == 0)
        collection_end(l);
    else if (l->n_seen < l->rows.n && l->n_waiting < COLLECTION_IN_FLIGHT)
        timer_start(l->turn, 0);
}

/* False: answered. */
static bool collection_take(struct collection *l)
{
    struct call *c = l->call;
    const struct store_snapshot_opts opts = { .bucket = c->route.resource->bucket,
                                              .ns = c->route.ns[0] != '\0' ? c->route.ns : NULL,
                                              .revision = store_revision(c->s->store) };
    int rc;

    if (!server_write_read(c, &l->req, &l->user) || !server_selectors(c, &l->labels, &l->fields))
        return false;
    rc = store_snapshot_take(&l->rows, c->s->store, &opts);
    assert(rc == 0); /* the newest state is always there */
    (void)rc;
    if (!server_list_may(c, l->rows.n))
        return false;
    l->n_listed = l->rows.n;
    c->s->n_listed += l->n_listed;
    return true;
}

void server_delete_collection(struct call *c)
{
    struct collection *l = MEM_NEW(struct collection);
    struct server *s = c->s;

    l->call = c;
    list_init(&l->link);
    list_add_tail(&s->collections, &l->link);
    l->turn = timer_new(s->loop, collection_on_turn, l);
    if (collection_take(l))
        collection_on_turn(l);
    else
        collection_free(l);
}

/* What waits for the disk comes to its end, nothing more is begun. */
void server_collection_end_all(struct server *s)
{
    LIST_EACH_SAFE (it, &s->collections) {
        struct collection *l = list_entry(it, struct collection, link);

        list_del(&l->link);
        timer_stop(l->turn);
        if (l->failure == NULL && l->n_seen < l->rows.n)
            l->failure = status_failure(ERR_UNAVAILABLE, "the server is shutting down");
        l->is_stopped = true;
        if (l->n_waiting == 0)
            collection_end(l);
    }
}
