/* route: what a request line of the Kubernetes API asks for.  Pure.
 *
 * Kubernetes: apiserver/pkg/endpoints/request/requestinfo.go names the same parts.
 */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/schema.h"

#include <stdbool.h>

enum route_kind {
    ROUTE_RESOURCE, /* a served resource */
    ROUTE_OTHER,    /* /version, /healthz, /openapi, /api, /apis, discovery documents */
    ROUTE_UNKNOWN,  /* below /api or /apis, but nothing that is served */
};

#define ROUTE_PART_MAX 254

struct route {
    enum route_kind kind;
    const char *
        verb; /* "get" "list" "watch" "create" "update" "patch" "delete" "deletecollection"; literal */
    const struct schema_resource *resource;
    const struct schema_sub *sub_row; /* NULL when @sub is "" */
    char ns[ROUTE_PART_MAX];          /* decoded; "" = none */
    char name[ROUTE_PART_MAX];
    char sub[64];
    const char
        *rest; /* of the path behind "/proxy", still encoded: "" or from its '/' on; borrowed */
};

/* @watch: the query said watch=true.  False: a part is too long or badly encoded (400). */
bool route_parse(struct route *ret, const char *method, const char *path, bool watch);

#endif
