/* entry_table: who answers what: hosts and paths to backends, LoadBalancer ports to backends.
 *
 * Made of facts, immutable, reference-counted, swapped whole: a request under way keeps the
 * table that it began with.  Lookups are hashed: their cost follows the length of the path, not
 * the number of rules.  Thread: any; references are atomic.
 */
#ifndef NET_ENTRY_TABLE_H
#define NET_ENTRY_TABLE_H

#include "net/entry_facts.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct entry_table;

struct entry_address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
};

struct entry_endpoint { /* each address and port once in a table */
    const char *name;   /* "10.244.1.5:8080", "[fd00::5]:8080" */
    struct entry_address address;
};

struct entry_backend {
    const char *name;          /* "ns/service:port" */
    unsigned index;            /* among the table's backends */
    const unsigned *endpoints; /* indexes of the table's endpoints */
    unsigned n_endpoints;      /* 0: 503 */
};

struct entry_host {
    const char *name; /* "", "a.example", "*.example" */
    unsigned index;
    bool has_tls;                       /* some Ingress of it has a tls section */
    const struct entry_route *fallback; /* NULL: the table's */
    struct entry_route **routes;        /* in order of precedence of their Ingresses */
    unsigned n_routes, room;
    const struct entry_listed *list; /* NULL: paths are looked up by hash */
    unsigned n_listed;
    bool begins; /* has ENTRY_PATH_BEGIN paths */
};

struct entry_route {
    const struct entry_who *ingress;
    const struct entry_policy *policy;
    const struct entry_path *path; /* NULL: a default backend */
    const struct entry_host *host; /* NULL: of any */
    const struct entry_backend *backend;
    const struct entry_route *canary; /* NULL: no share of it goes elsewhere */
    const char *moved;                /* NULL; else the host that all requests are sent to */
    unsigned order;                   /* among the host's routes */
};

/* Is the path changed for the backend?  ingress-nginx leaves one alone that is its own target. */
bool entry_route_rewrites(const struct entry_route *r);

struct entry_listen { /* a port of a LoadBalancer Service, or one that a TargetGroupBinding opens */
    const struct entry_who *service;
    const struct entry_who *binding; /* NULL: the Service itself wants it */
    uint16_t port;
    bool is_tcp;
    const char *protocol;
    const struct entry_backend *backend;
    bool is_sticky;
    const struct entry_range *sources;
    size_t n_sources;
};

struct entry_warning { /* about an Ingress, for an event */
    const struct entry_who *ingress;
    bool is_binding; /* about a TargetGroupBinding instead */
    const char *reason, *message;
};

struct entry_table *entry_table_new(const struct entry_facts *facts);
struct entry_table *entry_table_ref(struct entry_table *t);
struct entry_table *entry_table_unref(struct entry_table *t); /* NULL is fine; returns NULL */

/* @host in lower case without port, "" if none was said.  @path is normalised
 * (entry_request.h).  NULL: 404. */
const struct entry_route *entry_table_find(const struct entry_table *t, const char *host,
                                           const char *path);

/* 0 .. n-1; the results live as long as the table. */
const struct entry_endpoint *entry_table_endpoint(const struct entry_table *t, unsigned index);
unsigned entry_table_n_endpoints(const struct entry_table *t);
unsigned entry_table_n_backends(const struct entry_table *t);
const struct entry_listen *entry_table_listens(const struct entry_table *t, size_t *ret_n);
/* The listen of a Service's port, or NULL; its own before a binding's. */
const struct entry_listen *entry_table_listen(const struct entry_table *t, const char *ns,
                                              const char *service, uint16_t port);
/* Names outside the cluster whose addresses the table wanted (ExternalName). */
const char *const *entry_table_names(const struct entry_table *t, size_t *ret_n);
const struct entry_warning *entry_table_warnings(const struct entry_table *t, size_t *ret_n);

#endif
