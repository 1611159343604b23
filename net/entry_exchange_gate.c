/* The part of an exchange that follows the annotations of its Ingress: which backend, what is
 * answered before one is asked, how the request is changed. */
#include "net/entry_client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/entry_gate.h"
#include "net/entry_sticky.h"

bool entry_exchange_find_route(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;
    struct entry_table *table = c->worker->peers.table;

    if (table == NULL)
        return false;
    x->route = entry_table_find(table, x->request.host, text_str(&x->request.path));
    entry_table_ref(table);
    entry_table_unref(x->table);
    x->table = table;
    if (x->route == NULL)
        return false;
    x->backend = x->route->backend;
    if (x->route->canary == NULL)
        return true;
    /* Once for a request, whatever happens to the table. */
    x->is_canary = x->has_drawn
                       ? x->is_canary
                       : entry_gate_is_canary(x->route, &c->head, entry_worker_random(c->worker));
    x->has_drawn = true;
    if (x->is_canary)
        x->backend = x->route->canary->backend;
    return true;
}

static struct entry_visit entry_exchange_visit(const struct entry_client *c)
{
    return (struct entry_visit){ .request = &c->x.request,
                                 .head = &c->head,
                                 .remote = (const struct sockaddr *)&c->address,
                                 .is_tls = str_eq(c->scheme, "https") };
}

void entry_exchange_print(struct entry_client *c, struct text *out)
{
    char id[ENTRY_WORKER_ID_MAX];
    struct entry_forward forward = {
        .remote_ip = c->remote, .scheme = c->scheme, .port = c->port, .request_id = id
    };
    const struct entry_policy *policy = c->x.route->policy;
    cleanup(text_fini) struct text target = TEXT_EMPTY;
    struct entry_visit visit = entry_exchange_visit(c);

    entry_worker_id(c->worker, id);
    if (entry_gate_rewrite(c->x.route, &visit, &target)) {
        forward.target = text_str(&target);
        forward.prefix = policy->prefix;
    }
    forward.host = policy->upstream_host;
    forward.keeps_secret = c->x.is_guarded;
    entry_request_print(out, &c->x.request, &c->head, &forward);
}

/* The one that its cookie names, if there is such a thing. */
struct entry_peer *entry_exchange_pick(struct entry_client *c, int64_t now)
{
    struct entry_exchange *x = &c->x;
    const struct entry_sticky *sticky = &x->route->policy->sticky;
    struct entry_peers *peers = &c->worker->peers;
    struct entry_peer *peer = NULL;

    if (sticky->cookie != NULL && x->n_tries == 0)
        x->sticky_id = entry_sticky_read(sticky, &c->head);
    if (sticky->cookie != NULL && x->sticky_id != 0)
        peer = entry_peers_pick_id(peers, x->backend, &x->tried, now, x->sticky_id);
    return peer != NULL ? peer : entry_peers_pick(peers, x->backend, &x->tried, now);
}

/* Tells the client where it is, when it did not know. */
void entry_exchange_print_cookie(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;
    const struct entry_sticky *sticky = &x->route->policy->sticky;
    const struct entry_path *path = x->route->path;
    bool is_plain = path != NULL && path->regex == NULL && path->broken == NULL;

    if (sticky->cookie == NULL || (x->up->peer->id == x->sticky_id && !sticky->renews))
        return;
    /* A regular expression is nothing that a browser could compare with. */
    entry_sticky_print(&x->fields, sticky, x->up->peer->id, is_plain ? path->path : "/",
                       str_eq(c->scheme, "https"), clock_wall_ms() / 1000);
}

/* --- the gate --- */

bool entry_exchange_is_waiting(const struct entry_client *c)
{
    return c->x.ticket.is_waiting;
}

static void entry_exchange_judge(struct entry_client *c, enum entry_auth_answer answer)
{
    struct entry_exchange *x = &c->x;

    switch (answer) {
    case ENTRY_AUTH_YES: entry_exchange_try(c, NULL); break;
    case ENTRY_AUTH_NO:
        entry_gate_challenge(&x->fields, &x->route->policy->basic);
        x->error = 401;
        break;
    case ENTRY_AUTH_BROKEN: x->error = 503; break;
    case ENTRY_AUTH_LATER: break;
    }
}

static void entry_exchange_on_auth(struct entry_auth_ticket *ticket, enum entry_auth_answer answer)
{
    struct entry_client *c = container_of(ticket, struct entry_client, x.ticket);

    entry_exchange_judge(c, answer);
    entry_client_settle(c);
}

void entry_exchange_enter(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;
    struct entry_visit visit = entry_exchange_visit(c);
    const char *credentials = NULL;
    size_t len = 0;

    switch (entry_gate_decide(x->route, &visit, &x->error, &x->fields)) {
    case ENTRY_PASSES: entry_exchange_try(c, NULL); break;
    case ENTRY_ANSWERED: break;
    case ENTRY_NEEDS_AUTH:
        x->is_guarded = true;
        x->ticket.on_answer = entry_exchange_on_auth;
        entry_gate_credentials(&c->head, &credentials, &len);
        entry_exchange_judge(c, entry_auth_ask(c->worker->auth, &x->route->policy->basic,
                                               credentials, len, &x->ticket));
        break;
    }
}
