/* target: what the words of a command line or a manifest mean: a kind, a namespace, a name.
 *
 * "pods web db", "deploy/web svc/web", "po,svc", "all".  Pure, from the built-in tables.
 */
#ifndef CLIENT_TARGET_H
#define CLIENT_TARGET_H

#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

struct target {
    const struct schema_resource *resource;
    const char *name; /* borrowed; NULL: all of the kind */
    const char *ns;   /* borrowed; NULL: the command line's, or none */
};

#define TARGET_MAX 256

struct target_list {
    struct target items[TARGET_MAX];
    size_t n;
    char *words; /* owned: the memory of kinds and names taken from "a/b" and "a,b" */
};

/* ERR_INVALID in kubectl's words when a word is no kind. */
int target_parse(struct target_list *ret, int argc, char **argv, struct err *err);
void target_list_fini(struct target_list *l);

/* The object of a manifest: its kind and where it is to live (@ret_ns NULL for cluster-wide kinds).
 * @ns is the session's; @forced: -n was given, and the object must agree. */
int target_of_object(const struct schema_resource **ret, const char **ret_ns, const json_t *object,
                     const char *ns, bool forced, struct err *err);

/* "deployment.apps" or "pod", as kubectl calls one of them. */
void target_kind(struct text *ret, const struct schema_resource *r);
/* A namespaced kind's list or object below @ns; cluster-wide kinds ignore it. */
void target_path(struct text *ret, const struct schema_resource *r, const char *ns,
                 const char *name);

#endif
