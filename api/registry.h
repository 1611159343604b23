/* registry: what a write to the API means.  Decoded request in, object or Status out.
 *
 * Runs, in Kubernetes' order: namespace check, decode and strictness, admission, defaults,
 * names and system fields, validation, allocation (cluster IPs, node ports), then the store;
 * deletion with grace, finalizers and propagation; status, scale, binding, eviction and finalize
 * subresources; all patch types, server-side apply among them.
 * The HTTP face, the controllers and the simulator all write through here.
 *
 * Time, names and uids come from opts, so that the simulator can be exact.  Thread: loop.
 */
#ifndef API_REGISTRY_H
#define API_REGISTRY_H

#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

struct registry;
struct rbac;
struct token_keys;

struct registry_user {         /* who asks; borrowed */
    const char *name;          /* "system:admin" */
    const char *const *groups; /* NULL-terminated */
    const char *uid;           /* "" if none */
    const json_t *extra;       /* name to list of strings; NULL = none */
};
/* The server as a user: it may all. */
extern const struct registry_user registry_itself;

struct registry_opts {
    struct store *store;           /* borrowed, outlives the registry */
    int64_t (*wall_ms)(void *arg); /* wall clock */
    uint64_t (*random)(void *arg); /* uids, name suffixes */
    void *arg;
    const char *service_cidr; /* "10.96.0.0/16" */
    const char *pod_cidr;     /* "10.244.0.0/16"; /24 per node, assigned at Node creation */
    uint16_t node_port_min, node_port_max; /* 30000-32767 */
    const char *cluster_domain;            /* "cluster.local" */
    const char *ca_pem;                    /* into kube-root-ca.crt; may be NULL in simulations */
};

int registry_new(struct registry **ret, const struct registry_opts *opts, struct err *err);
struct registry *registry_free(struct registry *r);
struct store *registry_store(struct registry *r);
/* @keys (borrowed; NULL: none) sign the tokens of Secrets of type kubernetes.io/service-account-token. */
void registry_set_tokens(struct registry *r, const struct token_keys *keys);
struct rbac *registry_rbac(struct registry *r); /* borrowed: what roles give, kept up to date */

enum registry_verb {
    REGISTRY_CREATE,
    REGISTRY_UPDATE,
    REGISTRY_PATCH,
    REGISTRY_DELETE,
    REGISTRY_CONNECT, /* changes nothing: may @user reach through the object?  body: the options */
};
enum registry_patch {
    REGISTRY_JSON_PATCH,
    REGISTRY_MERGE_PATCH,
    REGISTRY_STRATEGIC_PATCH,
    REGISTRY_APPLY_PATCH
};
enum registry_validation { REGISTRY_IGNORE, REGISTRY_WARN, REGISTRY_STRICT };

struct registry_request {
    enum registry_verb verb;
    const struct schema_resource *resource;
    const char *sub;  /* "" or "status", "scale", "binding", "eviction", "finalize", ... */
    const char *ns;   /* "" for cluster-scoped */
    const char *name; /* "" for create on a collection */
    json_t *body; /* borrowed; object, patch document or DeleteOptions; may be NULL for delete */
    const json_t *problems; /* paths of duplicate keys that the parser saw, or NULL */
    enum registry_patch patch;
    enum registry_validation validation;
    bool dry_run;
    const char *manager; /* who writes, as metadata.managedFields shall say; NULL: mkube itself */
    bool force;          /* an apply takes what others own */
    const struct registry_user *user;
    /* DELETE, also from query parameters; body's DeleteOptions win.  -1 / NULL = not given. */
    int64_t grace_seconds;
    const char *propagation; /* "Background", "Foreground", "Orphan" */
};

struct registry_answer {         /* borrowed during the callback */
    int http;                    /* 200, 201, 4xx ... */
    const struct object *object; /* the object as stored (see api/alias.h), or NULL */
    const json_t *body;          /* instead of object: a Status, a Scale, a dry-run result */
    const json_t *warnings;      /* array of strings, or NULL */
    const json_t
        *annotations; /* what policies and webhooks want in the audit log: a map, or NULL */
};
typedef void (*registry_done_fn)(void *arg, const struct registry_answer *answer);

/* @done is called exactly once, possibly from within this call (refusals, dry runs). @req is
 * only borrowed during the call. Concurrent changes under a patch without resourceVersion are
 * retried inside. */
void registry_write(struct registry *r, const struct registry_request *req, registry_done_fn done,
                    void *arg);

/* How the registry reaches webhooks; see api/outcall.h for the one that does it. */
struct registry_post {           /* borrowed during the call */
    const json_t *client_config; /* url or service, caBundle */
    const char *body;
    size_t len;
    int64_t timeout_ms;
};
/* @rc 0: an answer of any status came; else @err tells why none did, in Go's words. Exactly once,
 * never from within. */
typedef void (*registry_posted_fn)(void *arg, int rc, int http, const char *body, size_t len,
                                   const struct err *err);
struct registry_outcall {
    void (*post)(void *arg, const struct registry_post *post, registry_posted_fn done,
                 void *done_arg);
    void *arg;
};
/* Until the first call no webhook is asked (the cluster's own objects are made); from then on
 * without @out (NULL) those that should be asked count as unreachable. */
void registry_on_outcall(struct registry *r, const struct registry_outcall *out);

/* Whether only the webhook of its definition can bring @tree to the version of @row. */
bool registry_must_convert(const struct schema_resource *row, const json_t *tree);
/* @converted: the same objects in the same order, borrowed; NULL: @err tells why not. */
typedef void (*registry_converted_fn)(void *arg, json_t *converted, const struct err *err);
/* Brings @objects (an array that is not empty, consumed) to the version of @row.  @done may be
 * called from within, when there is nobody to ask. */
void registry_convert(struct registry *r, const struct schema_resource *row, json_t *objects_steal,
                      registry_converted_fn done, void *arg);
/* The same for references to stored objects, in place and in batches; those that are in that
 * version stay.  @objects must live until @done (@err NULL: all are), which may come from within. */
void registry_convert_objects(struct registry *r, const struct schema_resource *row,
                              struct object **objects, size_t n,
                              void (*done)(void *arg, const struct err *err), void *arg);

/* The Scale of an object's @tree; NULL if the kind has none.  The caller's. */
json_t *registry_scale_of(const json_t *tree, const struct schema_resource *resource);

/* @fn is called whenever rows of custom kinds came or went: who serves a row that is retired
 * (api/custom.h) should end.  One listener; NULL ends it. */
void registry_on_kinds(struct registry *r, void (*fn)(void *arg), void *arg);

/* Makes what every cluster has, if absent: namespaces default, kube-system, kube-public,
 * kube-node-lease; the service default/kubernetes with @server_ip:@server_port as its endpoint;
 * priority classes; the ClusterRoles and bindings of Kubernetes; StorageClass "local" (default). Durable before @done (rc 0). */
void registry_bootstrap(struct registry *r, const char *server_ip, uint16_t server_port,
                        void (*done)(void *arg, int rc, const struct err *err), void *arg);

#endif
