/* server_impl: what the files of the HTTP face share.  Private to api/server*.c.
 *
 * A `struct call` is one request on its way; it is freed by the function that answers.
 */
#ifndef API_SERVER_IMPL_H
#define API_SERVER_IMPL_H

#include "api/aggregate.h"
#include "api/auth.h"
#include "api/csr_signer.h"
#include "api/list_options.h"
#include "api/managed.h"
#include "api/metrics_pull.h"
#include "api/outcall.h"
#include "api/proxy_links.h"
#include "api/request_stats.h"
#include "api/route.h"
#include "api/selector.h"
#include "api/server.h"
#include "api/status.h"
#include "api/table.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/http_tunnel.h"
#include "base/list.h"
#include "base/tally.h"
#include "base/tls_dial.h"

enum call_form { CALL_JSON, CALL_TABLE, CALL_META };

/* server_event.c: an event as it was printed last. */
#define SERVER_EVENT_LINES 8
struct event_line {
    struct object *object; /* shared ref; NULL: not to be used again */
    const struct schema_resource *resource;
    enum call_form form;
    enum table_include include;
    bool no_columns;
    const char *type;
    int64_t made_ms;
    struct text text;
};

struct server {
    uv_loop_t *loop;               /* borrowed */
    struct registry *registry;     /* borrowed */
    struct store *store;           /* borrowed from the registry */
    struct http_server *http;      /* owned */
    struct http_client *nodes;     /* owned: calls to the nodes' API */
    struct http_client *strangers; /* owned: to pods, Services and other ports, who prove nothing */
    struct outcall *out;           /* owned: calls to webhooks */
    struct aggregate *aggregate;   /* owned: APIs of others */
    struct metrics *metrics;       /* borrowed */
    struct metrics_pull *pull;     /* owned */
    struct csr_signer *signer;     /* owned */
    struct tls_dialer *dialer;     /* owned: streams to the nodes */
    struct tls_dialer *plain_dialer, *blind_dialer; /* owned: to strangers, without and with TLS */
    unsigned n_passes;
    struct list streams; /* of struct server_stream */
    unsigned n_streams;
    struct tls_pair ca; /* owned copy */
    int64_t certificate_seconds;
    struct auth_keys keys;
    struct token_keys *tokens; /* owned */
    char *address, *issuer;    /* owned */
    char *cluster_cidr, *service_cidr, *dns_ip, *domain;
    struct server_site site;
    struct request_stats *stats; /* owned */
    struct audit *audit;         /* borrowed or NULL */
    struct list watches;         /* of struct watch */
    struct list listings;        /* of struct listing */
    struct tally calls;          /* of users, those under way */
    unsigned max_calls;
    size_t n_listed;         /* objects that all of them reference */
    struct list collections; /* of struct collection */
    struct event_line events[SERVER_EVENT_LINES];
    unsigned next_event;
    unsigned n_calls;
    bool closing;
    bool is_deaf; /* no client is connected any more */
    void (*on_closed)(void *arg);
    void *arg;
};

struct call {
    struct server *s;
    struct http_exchange *x; /* borrowed until answered */
    struct route route;
    struct auth_user user;
    enum call_form form;
    enum table_include include;
    json_t *body;     /* owned: parsed request body or NULL */
    json_t *problems; /* owned: duplicates the parser saw */
    bool is_counted;  /* in server.calls */
    struct request_kind kind;
    int64_t began_us;
    int status; /* of the answer; 0 = none yet */
    char audit_id[65];
    struct audit_event *event;          /* owned; NULL: not logged */
    char manager[MANAGED_NAME_MAX + 1]; /* the client's name, when it gives no other */
};

/* server.c: goes on with the end when nobody waits for it any more. */
void server_settle(struct server *s);

/* --- server_observe.c: what is counted of a call, and told of it --- */
void server_observe_arrival(struct call *c); /* its Audit-Id */
void server_observe_begin(struct call *c);   /* its route is known */
/* Who asks is known, or that nobody was recognised. */
void server_observe_user(struct call *c, bool known);
void server_observe_impersonated(struct call *c);
void server_observe_decision(struct call *c, bool allowed);
void server_observe_annotations(struct call *c, const json_t *map); /* NULL is fine */
/* With an answer, or the beginning of one.  @body may be NULL: a stream. */
void server_observe_answer(struct call *c, int status, const char *body, size_t len);
void server_observe_end(struct call *c);

/* --- server_call.c: what the client wants, and answers --- */
struct call *call_free(struct call *c);                      /* returns NULL */
void call_send_status(struct call *c, json_t *status_steal); /* answers and frees */
void call_send_text(struct call *c, int http, const char *type,
                    struct text *t);                               /* takes t's bytes, frees */
void call_send_json(struct call *c, int http, const json_t *body); /* answers and frees */
void call_send_object(struct call *c, int http,
                      const struct object *o); /* in the asked form; frees */
/* A Warning header beside whatever is answered. */
void call_warn(struct call *c, const char *text);
void call_warn_all(struct call *c, const json_t *warnings); /* an array of strings, or NULL */
/* Who asks, as the registry knows users; borrowed from the call. */
struct registry_user call_user(const struct call *c);
void call_fail(struct call *c, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Reads Accept and includeObject; false: answered 406 or 400. */
bool call_read_form(struct call *c);
/* Parses the body by its Content-Type; false: answered. */
bool call_read_body(struct call *c);

/* --- server_ask.c: webhooks hear also of what is not stored --- */
/* Asks them about c->body, which they may change, then goes on with @go; a refusal is answered. */
void server_ask(struct call *c, enum registry_verb verb, void (*go)(struct call *c));
/* The same with the query as options: exec and its kin. */
void server_ask_connect(struct call *c, void (*go)(struct call *c));

/* --- server_read.c --- */
void server_get(struct call *c);
/* Both selectors of the query; false: answered 400. */
bool server_selectors(struct call *c, struct selector **ret_labels,
                      struct field_selector **ret_fields);
void server_print_object(struct text *ret, const struct call *c,
                         const struct object *o); /* in the version that was asked for */
void server_meta_print(struct text *ret, const struct object *o); /* PartialObjectMetadata */
void server_table_opts(struct table_opts *ret, const struct call *c);

/* What LIST and WATCH are asked beside selectors; borrowed from the query. */
struct list_query server_list_query(const struct call *c);

/* --- server_list.c --- */
void server_list(struct call *c);
void server_list_end_all(struct server *s);

/* Objects that lists and the beginnings of watches may reference together: 32 MB of references.
 * False: too many, answered 429. */
bool server_list_may(struct call *c, size_t n);

/* --- server_event.c --- */
/* The line of a watch, borrowed until the next; @type is a literal. */
const struct text *server_event(const struct call *c, const char *type, const struct object *o,
                                bool no_columns);
void server_events_clear(struct server *s);

/* --- server_watch.c --- */
void server_watch(struct call *c);
void server_watch_end_all(struct server *s);
/* Streams of kinds that are no more; soon, not from within. */
void server_watch_end_retired(void *server);

/* --- server_write.c --- */
void server_write(struct call *c);
/* What is to be written, and by whom, borrowed from @c; false: answered. */
bool server_write_read(struct call *c, struct registry_request *req, struct registry_user *user);

/* --- server_collection.c --- */
void server_delete_collection(struct call *c);
void server_collection_end_all(struct server *s);

/* --- server_review.c: kinds that are answered, not stored --- */
bool server_is_review(const struct schema_resource *r);
void server_review(struct call *c);

/* --- server_metrics.c: metrics.k8s.io, answered from what the nodes tell --- */
bool server_is_metrics(const struct schema_resource *r);
void server_metrics(struct call *c);

/* --- server_misc.c: everything that is no resource --- */
void server_other(struct call *c);

/* --- server_health.c, server_prometheus.c --- */
void server_health(struct call *c);
void server_components(struct call *c); /* componentstatuses */
bool server_is_components(const struct schema_resource *r);
void server_prometheus(struct call *c);

/* --- server_site.c: what the process around us tells administrators --- */
void server_encryption(struct call *c);
void server_encryption_rotate(struct call *c);

/* --- server_aggregate.c: APIs that somebody else serves --- */
/* Whose the request is; NULL: ours. */
const struct aggregate_api *server_aggregate_of(const struct call *c);
bool server_aggregate_may(struct call *c, const struct aggregate_api *api); /* false: answered */
void server_aggregate(struct call *c, const struct aggregate_api *api);

/* --- server_pass.c: requests passed on --- */
#define SERVER_PASS_HEADERS 64
struct server_pass {
    struct http_client *client;
    const char *base, *path; /* "https://host:port", "/path": the query follows */
    const char *connect_to;  /* as http_call has it */
    int64_t timeout_ms;
    char *header[SERVER_PASS_HEADERS + 1]; /* owned */
    size_t n_headers;
    /* Owned; what the other end knows as "/", and its own address: links of its answers are rewritten.
     * NULL: they are not. */
    char *prefix, *target_host;
};
void server_pass(struct call *c, const struct server_pass *spec); /* takes nothing */
void server_pass_fini(struct server_pass *p);
void server_pass_header(struct server_pass *p, const char *name, const char *value);
/* Those of the request but what is ours to say, and X-Forwarded-For. */
void server_pass_headers(struct server_pass *p, const struct call *c);
void server_pass_target(struct text *ret, const struct call *c,
                        const char *path); /* and the query */

/* --- server_proxy.c: pods/proxy, services/proxy, nodes/proxy --- */
void server_proxy(struct call *c);

/* --- server_node.c: joining, tokens, logs --- */
void server_join(struct call *c);
void server_log(struct call *c);
/* The container asked for, or the only one; NULL: answered. */
const char *server_container(struct call *c, const json_t *pod);
/* Where the API of the node is that runs @pod: a new string; NULL: answered. */
char *server_pod_node(struct call *c, const struct object *pod, uint16_t *ret_port);
void server_add_query(struct text *ret, const char *key, const char *value); /* "key=value&" */

/* --- server_token.c: tokens of ServiceAccounts, their keys, who issues them --- */
void server_token_request(struct call *c);
void server_openid_configuration(struct call *c);
void server_openid_keys(struct call *c);
void server_token_key(struct call *c);
void server_token_key_rotate(struct call *c);

/* --- server_stream.c: exec, attach, port-forward --- */
void server_stream(struct call *c);
void server_stream_end_all(struct server *s);
/* The same to anybody: what is asked by @spec; a refusal is answered as it came. */
void server_stream_to(struct call *c, struct tls_dialer *dialer,
                      const struct http_tunnel_spec *spec);
/* A node's no (HTTP status, plain words) as ours. */
json_t *server_node_refusal(int http, const char *why);

#endif
