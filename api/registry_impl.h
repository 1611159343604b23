/* registry_impl: what the files of the registry share.  Private to api/registry*.c,
 * api/admission*.c and api/service_alloc.c.
 *
 * A `struct op` is one write on its way: filled step by step, each step may refuse it by
 * setting op->status.  It dies when its answer was given.
 */
#ifndef API_REGISTRY_IMPL_H
#define API_REGISTRY_IMPL_H

#include "api/alloc.h"
#include "api/auth.h"
#include "api/hooks.h"
#include "api/registry.h"
#include "api/status.h"

#define REGISTRY_PORTS_MAX 128 /* node ports of one Service */

struct registry {
    struct registry_opts opts;
    struct store *store;             /* borrowed */
    struct rbac *rbac;               /* owned */
    const struct token_keys *tokens; /* borrowed, or NULL */
    struct alloc *ips;               /* owned: cluster IPs */
    struct alloc *ports;             /* owned: node ports */
    struct alloc *cidrs;             /* owned: the nth block of the pod CIDR */
    uint32_t service_first;          /* service CIDR: .1 is the API's, .10 the DNS' */
    uint32_t pod_first;              /* pod CIDR */
    unsigned pod_bits;
    void (*on_kinds)(void *arg); /* see registry_on_kinds */
    void *on_kinds_arg;
    struct hook_set *hooks[HOOK_STAGES]; /* owned references; NULL = no webhook */
    struct policy_set *policies;         /* owned; NULL = none is bound */
    struct registry_outcall out;         /* see registry_on_outcall */
    bool has_out;                        /* it was set once: what must be asked is asked */
    unsigned n_parked;                   /* ops that wait for others' answers */
};

struct op_kept; /* registry_park.c */
struct op_walk; /* registry_hooks.c */

struct op {
    struct registry *r;
    const struct registry_request *req;     /* borrowed; once parked: the op's own copy */
    struct op_kept *kept;                   /* owned: that copy; NULL = answered without waiting */
    struct op_walk *walk;                   /* owned: webhooks being asked, or NULL */
    void (*after)(struct op *op);           /* see op_ask_both, op_convert */
    json_t **converting;                    /* the member that is with a webhook */
    enum store_verb store_verb;             /* what op_submit was told */
    bool must_rewrite;                      /* what is stored is of an older version */
    bool holds_old;                         /* old is a reference */
    json_t *posted;                         /* owned: what was sent and is not kept (Binding) */
    const struct schema_resource *resource; /* the stored version */
    const struct schema_resource *spoken;   /* the version of the request; often the same */
    const char *sub, *ns, *name;            /* borrowed from the request until submitted */
    const struct registry_user *user;
    enum registry_validation validation;
    bool dry_run;
    json_t *tree;             /* owned: the new state */
    json_t *old_tree;         /* owned: the state before, NULL for create */
    const struct object *old; /* borrowed from the store, NULL for create */
    json_t *dups;             /* owned: paths of duplicate keys in the body, or NULL */
    json_t *problems;         /* owned array of strictness problems */
    json_t *warnings;         /* owned array, NULL while empty */
    json_t *annotations;      /* owned map for the audit log, NULL while empty */
    json_t *status;           /* owned: set = refused */
    /* Taken from the allocators by this op; given back if it fails. */
    uint32_t taken_ip, taken_ports[REGISTRY_PORTS_MAX], taken_cidr;
    unsigned n_ips, n_ports, n_cidrs;
    bool is_same;    /* an update that changes nothing */
    json_t *charges; /* owned: quotas as they will be after this write; NULL while none changes */
    json_t *old_managed; /* owned: managedFields before; old_tree is without them */
    bool managed_known;  /* op->tree has what shall be kept of them */
    json_t *managed;     /* owned: managedFields as an apply left them, or NULL */
    bool managed_reset;  /* the body asks to forget who owns what */
    bool gone;           /* success removes the object and frees what it held */
    int http;            /* of success */
    bool answer_status;  /* success is told as a Status (delete, binding) */
    bool answer_scale;   /* success is told as a Scale */
    registry_done_fn done;
    void *arg;
};

/* --- registry_op.c: one write on its way --- */
bool op_ok(const struct op *op);
void op_refuse(struct op *op, json_t *status_steal); /* the first refusal stays */
/* For the audit log: a map of texts, or NULL; what was said first stays. */
void op_annotate(struct op *op, const json_t *map);
void op_warn(struct op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct op *op_free(struct op *op); /* returns NULL; without an answer */
/* Answers now with what the op holds, and frees it. */
void op_answer(struct op *op, const struct object *object, const json_t *body);
/* Hands the op's new state to the store, or answers a dry run; the op is gone afterwards. */
void op_submit(struct op *op, enum store_verb verb);

/* Answers with the present state: nothing had to change. */
void op_answer_same(struct op *op);

/* --- registry_access.c: what depends on who writes --- */
bool op_may(const struct op *op, const struct auth_question *q);
void admit_role(struct op *op); /* Roles and ClusterRoles */
void admit_role_binding(struct op *op);

/* --- registry_csr.c: certificate requests --- */
void admit_csr_create(struct op *op);
void admit_csr_update(struct op *op);
void admit_csr_sub(struct op *op); /* approval and status */
/* --- registry_park.c: a write that waits for the answers of others --- */
#define REGISTRY_PARKED_MAX 2048 /* more are told to come back */
#define REGISTRY_TRIES_MAX  5    /* as many as Kubernetes gives a patch */
/* Before returning to the loop: what was borrowed is the op's own now. */
void op_park(struct op *op);
/* Back on the loop's turn: on with @next, or from the start when the object changed meanwhile. */
void op_resume(struct op *op, void (*next)(struct op *op));
void op_kept_free(struct op_kept *kept); /* NULL is fine */

/* --- registry_convert.c --- */
/* Brings @tree (a member of @op) to the version of @row, if only a webhook can, and goes on. */
void op_convert(struct op *op, json_t **tree, const struct schema_resource *row,
                void (*next)(struct op *op));

/* --- registry_hooks.c --- */
/* A write as webhooks and policies see it. */
struct op_view {
    struct hook_subject subject;
    json_t *object, *old, *ns; /* owned references */
};
void op_view_init(struct op_view *v, const struct op *op);
void op_view_fini(struct op_view *v);
/* @tree of the view in the words of @row; the caller's. */
json_t *op_view_as(const struct op *op, json_t *tree, const struct schema_resource *row);
json_t *op_options(const struct op *op, const char *operation);
void registry_hooks_load(struct registry *r);
/* A write is visible: the webhooks follow. */
void op_hooks_committed(struct op *op);
/* Asks the webhooks of @stage, if any want to hear of it, then goes on with @next; a refusal of
 * theirs is one of the op's.  @next may find op->tree or op->posted changed. */
void op_ask(struct op *op, enum hook_stage stage, void (*next)(struct op *op));
/* Both stages. */
void op_ask_both(struct op *op, void (*next)(struct op *op));

/* --- registry_policy.c --- */
/* What expressions are told of a write, in the words of one version. */
struct op_facts {
    struct review_facts facts;
    json_t *object, *old, *request; /* owned */
};
void op_facts_init(struct op_facts *f, const struct op *op, const struct op_view *v,
                   const struct schema_resource *row);
void op_facts_fini(struct op_facts *f);
void registry_policies_load(struct registry *r);
/* A write is visible: the policies follow. */
void op_policies_committed(struct op *op);
/* Refuses what admission policies deny. */
void op_judge(struct op *op);

/* --- registry_token.c --- */
void admit_account_secret(struct op *op); /* Secrets that hold a token */

/* --- registry.c --- */
/* A request from its start; @kept is taken, and holds @req, when it was begun before. */
void registry_begin(struct registry *r, const struct registry_request *req, registry_done_fn done,
                    void *arg, struct op_kept *kept);
/* Nothing is written: the webhooks alone have a say. */
void registry_connect(struct op *op, const struct registry_request *req);
/* op->tree, in the words of op->spoken, as its kind has it. */
void op_decode(struct op *op);
/* What admission adds and system fields say, again: op->tree came back from others. */
void op_readmit(struct op *op);
/* Types, strictness and defaults of @tree, which is or leads to op->tree. */
void op_decode_as(struct op *op, json_t *tree, const struct schema_type *type);

/* What PUT, PATCH and scale share once op->tree holds the wanted state. */
void registry_update_rest(struct op *op);

/* --- registry_meta.c: metadata and system fields --- */
void meta_prepare_create(struct op *op);
void meta_readmit_create(struct op *op); /* again, for the same object */
void meta_generate_name(struct op *op);  /* from generateName, a new one at each call */
void meta_prepare_update(struct op *op);
void meta_check_version(struct op *op); /* resourceVersion and uid against the present ones */
bool meta_is_generation_kind(const struct schema_resource *r);
/* Whether anything but metadata and status differs. */
bool meta_spec_differs(const json_t *a, const json_t *b);
bool meta_is_lazy(const struct op *op); /* heartbeats and events cost no fsync */
void meta_time(const struct registry *r, char ret[40]);

/* --- registry_delete.c --- */
void registry_delete(struct op *op, const struct registry_request *req);
/* Refuses what registry_delete would refuse, and does nothing else. */
void registry_delete_check(struct op *op, const struct registry_request *req);
/* After an update: the last finalizer of a dying object is gone, so it goes. */
bool registry_delete_is_due(const json_t *tree);

/* The same, once the webhooks agree. */
void registry_delete_asked(struct op *op);

/* --- registry_sub.c: rows by (bucket, subresource) --- */
/* Takes the wanted count of a Scale over to op->tree. */
void op_scale_take(struct op *op, const json_t *scale);
/* True: taken care of (the op is gone). */
bool registry_sub_write(struct op *op, const struct registry_request *req);

/* --- registry_custom.c: definitions and objects of custom kinds --- */
void registry_custom_load(struct registry *r);
/* A write is visible: the kinds follow. */
void op_custom_committed(struct op *op, const struct object *object);
void admit_definition(struct op *op);  /* its status, and what its author should know */
void delete_definition(struct op *op); /* op->tree is about to be marked as dying */
/* The rest act on objects of custom kinds. */
void op_custom_load_old(struct op *op);
/* Whether what is stored is not in the storage version: any write brings it there. */
bool op_custom_is_older(const struct op *op);
void op_custom_decode(struct op *op);
void op_custom_validate(struct op *op, struct field_errors *errors);

/* --- registry_managed.c: who owns what (api/managed.h) --- */
void op_managed_note(struct op *op);   /* before decoding: what the body says about it */
void op_managed_update(struct op *op); /* decoded, nothing of ours added yet: who wrote what */
/* Whether the update changes nothing.  Times alone are nothing: op->tree gets the old ones back. */
bool op_managed_same(struct op *op);
/* They are part of @base, which a patch is for, only where it speaks of them. */
void op_managed_patched(const struct op *op, const struct registry_request *req, json_t *base);
/* op->tree came back from a webhook: managedFields that nobody understands are @before again. */
void op_managed_admitted(struct op *op, json_t *before);
/* Takes managedFields out of op->old_tree: the largest part of many objects, and copied often. */
void op_managed_load_old(struct op *op);
/* Puts them into @tree, where they are missing. */
void op_managed_restore(const struct op *op, json_t *tree);
/* The old state whole, the caller's; NULL: there is none. */
json_t *op_managed_old_tree(const struct op *op);
/* Server-side apply: the body merged into the present state becomes op->tree, or it is refused. */
void op_managed_apply(struct op *op, const struct registry_request *req);
/* The same of a Scale; the wanted one, the caller's. @path: of the object's replicas. */
json_t *op_managed_apply_scale(struct op *op, const struct registry_request *req,
                               const json_t *scale, const char *path);

/* --- admission.c --- */
void admit_create(struct op *op); /* mutates op->tree, may refuse */
void admit_update(struct op *op);
void admit_named(struct op *op); /* what needs the final name */
void admit_check(struct op *op); /* after validation: refuses or not, changes nothing */

/* --- admission_quota.c: the last step, right at the store --- */
/* Refuses what a ResourceQuota does not allow, counting what is not on the disk yet. @gone: the
 * write removes the object. */
void quota_admit(struct op *op, bool gone);
/* The write was submitted: so is what its quotas say now. */
void quota_charge(struct op *op);

/* --- namespace_extras.c --- */
/* What every namespace has; right behind the submitted namespace. */
void namespace_extras_create(struct registry *r, const char *ns);
void admit_root_ca(struct op *op);

/* --- service_alloc.c --- */
void service_alloc_load(struct registry *r);
void service_alloc_create(struct op *op);
void service_alloc_keep(struct op *op); /* before validation: what an update leaves unsaid */
void service_alloc_update(struct op *op);
void node_alloc_create(struct op *op);
void op_alloc_settle(struct op *op, bool ok);

#endif
