/* entry_annotations: what annotations ask of an Ingress' routes, as one struct.
 *
 * One table row per annotation; another one is a row, a field and the place that obeys it.
 * Two dialects: ingress-nginx' (also for an Ingress without class) and that of AWS' load
 * balancer controller; an Ingress speaks the one of its class.  Unknown annotations are not
 * ours; known ones that the entry cannot obey are noted.  Pure.
 * Facts: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/
 */
#ifndef NET_ENTRY_ANNOTATIONS_H
#define NET_ENTRY_ANNOTATIONS_H

#include "base/json.h"
#include "net/entry_arena.h"
#include "net/entry_ranges.h"

#include <stdbool.h>
#include <stdint.h>

struct entry_cors {
    bool is_on;
    const char *origins; /* comma-separated patterns with one "*" each; "*" alone = any */
    const char *methods, *headers, *exposed; /* "" = header not sent */
    bool credentials;
    int64_t max_age_s;
};

struct entry_sticky {     /* affinity by cookie */
    const char *cookie;   /* name; NULL = none */
    const char *path;     /* NULL: of the route */
    const char *domain;   /* NULL */
    const char *samesite; /* NULL */
    int64_t max_age_s;    /* 0 = until the browser closes */
    bool is_secure;       /* also over plain HTTP */
    bool renews;          /* sent with every answer (ALB) */
};

struct entry_canary {
    bool is_on;
    const char *header, *header_value; /* NULL */
    const char *cookie;                /* NULL */
    unsigned weight, total;            /* of 100 */
};

struct entry_basic { /* auth-type basic */
    bool is_on;
    const char *secret; /* "ns/name" */
    bool is_map;        /* keys are users; else key "auth" holds a file */
    const char *realm;
};

struct entry_note { /* for a Warning event */
    struct entry_note *next;
    const char *reason, *message;
};

struct entry_policy {
    int64_t connect_ms; /* 0 = the entry's own limit */
    int64_t read_ms;    /* silence of the backend */
    int64_t send_ms;    /* the backend takes nothing */
    uint64_t max_body;  /* bytes; 0 = any */
    bool is_plain;      /* nothing below is asked for but ssl_redirect */

    bool use_regex;
    const char *rewrite;           /* NULL */
    const char *prefix;            /* X-Forwarded-Prefix of rewritten requests; NULL */
    const char *app_root;          /* NULL */
    const char *redirect;          /* where everything goes; NULL */
    unsigned redirect_code;        /* of @redirect */
    bool ssl_redirect;             /* of hosts with TLS */
    bool force_ssl_redirect;       /* of all */
    unsigned ssl_redirect_code;    /* 308; ALB: 301 ... */
    const char *ssl_redirect_port; /* ... to "host:443"; else "" */
    bool www_redirect;             /* www.HOST to HOST and back */
    const char *aliases;           /* other hosts, comma-separated; NULL */
    const char *upstream_host;     /* Host for the backend; NULL */
    struct entry_ranges allowed, denied;
    struct entry_basic basic;
    struct entry_cors cors;
    struct entry_sticky sticky;
    struct entry_canary canary;
    const char *closed; /* why all is answered 503: what guards it cannot be understood; NULL */
    struct entry_note *notes;
};

struct entry_dialect_opts {
    const char *ns;
    bool is_alb;
};
/* @annotations NULL or an object; strings are the arena's.  A value that cannot be read leaves
 * the default and a note. */
void entry_annotations_read(struct entry_policy *ret, struct entry_arena *arena,
                            const json_t *annotations, const struct entry_dialect_opts *opts);

#endif
