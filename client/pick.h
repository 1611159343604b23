/* pick: the objects that a command line means, fetched: by kind and name, by labels, by manifests.
 *
 * What the server refuses is told at once and noted; the rest goes on, as kubectl does.
 * Thread: main.
 */
#ifndef CLIENT_PICK_H
#define CLIENT_PICK_H

#include "client/manifest.h"
#include "client/opts.h"
#include "client/session.h"
#include "client/target.h"

struct pick_opts { /* borrowed; filled by the flags below */
    struct opt_list files;
    bool recursive;
    const char *selector, *fields;
    bool all, all_namespaces;
    bool bare_is_all;   /* a kind alone means all of it (describe) */
    bool ignore_absent; /* named ones that are not there are left out without a word */
};
#define PICK_FLAGS(o)                                                                          \
    { "filename",  'f',    OPT_LIST,                                                           \
      &(o)->files, "FILE", "what these manifests name; directory, or - for standard input" },  \
        { "recursive", 'R', OPT_FLAG, &(o)->recursive, NULL, "directories with those below" }, \
        { "selector", 'l', OPT_TEXT, &(o)->selector, "SEL", "those with these labels" },       \
    {                                                                                          \
        "all", 0, OPT_FLAG, &(o)->all, NULL, "all of the kind in the namespace"                \
    }

struct pick_object {
    const struct schema_resource *resource;
    const char *ns, *name; /* of @live; @ns NULL: cluster-wide */
    json_t *live;          /* owned */
};

struct pick {
    struct pick_object *objects; /* owned */
    size_t n;
    bool failed; /* something was refused, and told */
};

/* ERR_INVALID: the words make no sense. */
int pick_find(struct pick *ret, struct session *s, const struct pick_opts *o, int argc, char **argv,
              struct err *err);
void pick_fini(struct pick *p);

/* The objects that manifests name, as targets; @m holds the memory of their names.  A manifest that
 * cannot be read is ERR_INVALID. */
int pick_manifests(struct session *s, struct target_list *ret, struct manifest *m,
                   const struct opt_list *files, bool recursive, struct err *err);

/* "deployment.apps/web", and the object's own path. */
void pick_name(struct text *ret, const struct pick_object *o);
void pick_path(struct text *ret, const struct pick_object *o, const char *sub);

#define PICK_MERGE     "application/merge-patch+json"
#define PICK_STRATEGIC "application/strategic-merge-patch+json"
#define PICK_JSON      "application/json-patch+json"
/* PATCH of the object or its subresource @sub.  What is refused is told: VERB_FAILED. */
int pick_patch(struct session *s, const struct pick_object *o, const char *sub, const char *type,
               const json_t *patch, bool dry_run, struct session_answer *ret);
/* "deployment.apps/web scaled", with " (server dry run)". */
void pick_say(const struct pick_object *o, const char *what, bool dry_run);

#endif
