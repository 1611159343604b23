/* server: the HTTP face of the API: TLS, who and whether, routes, representations.
 *
 * What a write means is the registry's business; what a read shows is the store's bytes.
 * Serves also joining (/mkube/v1/join), logs of pods (proxied to their node), discovery,
 * OpenAPI and health.  Owner: cmd/server.  Thread: loop.
 */
#ifndef API_SERVER_H
#define API_SERVER_H

#include "api/audit.h"
#include "api/metrics.h"
#include "api/registry.h"
#include "base/err.h"
#include "base/text.h"
#include "base/tls.h"

#include <uv.h>

struct server;

/* Whether something is well, for /livez, /readyz and /healthz. */
enum server_face { SERVER_LIVEZ = 1, SERVER_READYZ = 2, SERVER_HEALTHZ = 4 };
struct server_check {
    const char *name;
    unsigned faces;
    bool (*is_well)(void *arg); /* with the site's arg */
};

/* What only the process around us knows; each may be NULL: then it is not served. */
struct server_site {
    const struct server_check *checks;            /* borrowed; ends with a name of NULL */
    void (*metrics)(void *arg, struct text *ret); /* more families for /metrics */
    json_t *(*encryption)(void *arg);             /* a new tree */
    int (*encryption_rotate)(void *arg, struct err *err);
    /* Makes the key that signs ServiceAccount tokens durable, and the list of those before it. */
    int (*store_token_key)(void *arg, const char *key_pem, const json_t *old, struct err *err);
    void *arg;
};

struct server_opts {                    /* strings are copied */
    struct registry *registry;          /* borrowed */
    const char *address;                /* bind */
    uint16_t port;                      /* 6443; 0 = any */
    const char *advertise_ip;           /* in discovery and certificates */
    const struct tls_pair *ca;          /* signs what joins */
    const struct tls_pair *own;         /* the serving certificate */
    const struct tls_pair *front_ca;    /* as aggregate_new has it; NULL: one made anew */
    const struct tls_pair *node_client; /* how we show ourselves to the nodes' API */
    struct audit *audit;                /* borrowed; NULL: nothing is logged */
    struct metrics *metrics;            /* borrowed: filled while somebody wants to know */
    const char *sa_key_pem;             /* signs and verifies ServiceAccount tokens */
    const json_t *sa_old_keys;          /* those before it (api/token_keys.h), or NULL */
    const char *cluster_cidr, *service_cidr, *dns_ip, *domain; /* told to joining nodes */
    int64_t certificate_seconds; /* how long what is signed here is good; 0 = a year */
    size_t max_body;             /* 0 = 3 MiB */
    /* Under way at a time; 0 = 600: kube-apiserver's 400 that read and 200 that write.  Not streams,
     * not of system:masters. */
    unsigned max_calls_of_user;
    struct server_site site;
};

int server_new(struct server **ret, uv_loop_t *loop, const struct server_opts *opts,
               struct err *err);
uint16_t server_port(const struct server *s);
/* Certificates that were renewed, for connections from now on. */
void server_renew(struct server *s, const struct tls_pair *own, const struct tls_pair *node_client);
/* Ends streams, answers what is under way, then @on_closed. */
void server_close(struct server *s, void (*on_closed)(void *arg), void *arg);

#endif
