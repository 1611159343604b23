#include "api/rbac.h"

#include "api/auth.h"
#include "base/map.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define RBAC_KEY_MAX 1024 /* longer names are looked up all the same, through memory of their own */

struct rbac_binding {
    char *key;              /* owned: its own, "bucket/ns/name" */
    char *role;             /* owned: key of the role's rules */
    char **subjects;        /* owned: keys of the lists it hangs in */
    struct rbac_links **in; /* those lists, as many; borrowed */
};

/* Everybody's bindings of one namespace and subject. */
struct rbac_links {
    struct rbac_binding **list; /* owned array of borrowed */
    size_t n, cap;
};

struct rbac {
    const struct store *store; /* borrowed */
    bool built;
    struct map *bindings; /* "bucket/ns/name" to struct rbac_binding */
    struct map *links;    /* "ns kind:subject" to struct rbac_links */
    struct map *rules;    /* "ns/name" of roles, "/name" of ClusterRoles, to array; as needed */
};

static void rbac_binding_free(void *value)
{
    struct rbac_binding *b = value;

    free(b->key);
    free(b->role);
    strv_free(b->subjects);
    free(b->in);
    free(b);
}

static void rbac_links_free(void *value)
{
    struct rbac_links *l = value;

    free(l->list);
    free(l);
}

static void rbac_rules_free(void *value)
{
    json_decref(value);
}

struct rbac *rbac_new(const struct store *store)
{
    struct rbac *r = MEM_NEW(struct rbac);

    r->store = store;
    r->bindings = map_new(rbac_binding_free);
    r->links = map_new(rbac_links_free);
    r->rules = map_new(rbac_rules_free);
    return r;
}

struct rbac *rbac_free(struct rbac *r)
{
    if (r == NULL)
        return NULL;
    map_free(r->bindings);
    map_free(r->links);
    map_free(r->rules);
    free(r);
    return NULL;
}

const struct store *rbac_store(const struct rbac *r)
{
    return r->store;
}

/* --- the index --- */

/* "ns kind:name": neither a namespace nor the kind holds a blank. */
static char *rbac_subject_key(const char *ns, const json_t *subject, const char *binding_ns)
{
    const char *kind = json_str_or(subject, "kind", "");
    const char *name = json_str_or(subject, "name", "");
    const char *of = json_str_or(subject, "namespace", "");

    if (!str_eq(kind, "ServiceAccount"))
        return mem_fmt("%s %s:%s", ns, kind, name);
    if (of[0] == '\0') /* an account without a namespace is one of the binding's own */
        of = binding_ns;
    return mem_fmt("%s User:system:serviceaccount:%s:%s", ns, of, name);
}

static void rbac_link(struct rbac *r, struct rbac_binding *b, size_t i)
{
    struct rbac_links *l = map_get(r->links, b->subjects[i]);

    if (l == NULL) {
        l = MEM_NEW(struct rbac_links);
        map_put(r->links, b->subjects[i], l);
    }
    if (l->n == l->cap) {
        l->cap = l->cap != 0 ? 2 * l->cap : 2;
        l->list = mem_grow(l->list, l->cap, sizeof(*l->list));
    }
    l->list[l->n++] = b;
    b->in[i] = l;
}

static void rbac_unlink(struct rbac *r, struct rbac_binding *b, size_t at)
{
    struct rbac_links *l = b->in[at];

    for (size_t i = 0; i < l->n; i++)
        if (l->list[i] == b) {
            l->list[i] = l->list[--l->n];
            break;
        }
    if (l->n == 0) {
        /* Named twice, it hangs there twice: the list goes with the last. */
        for (size_t i = at + 1; b->subjects[i] != NULL; i++)
            assert(b->in[i] != l);
        map_del(r->links, b->subjects[at]);
    }
}

static char *rbac_role_key(const json_t *ref, const char *ns)
{
    bool cluster = str_eq(json_str(ref, "kind"), "ClusterRole");

    return mem_fmt("%s/%s", cluster ? "" : ns, json_str_or(ref, "name", ""));
}

static void rbac_add(struct rbac *r, const char *key, const struct object *o)
{
    cleanup(json_decrefpp) json_t *tree = object_tree(o);
    const json_t *subjects = json_object_get(tree, "subjects");
    size_t n = json_array_size(subjects);
    struct rbac_binding *b = MEM_NEW(struct rbac_binding);

    b->key = mem_str(key);
    b->role = rbac_role_key(json_object_get(tree, "roleRef"), o->ns);
    b->subjects = MEM_NEW_ARRAY(char *, n + 1);
    b->in = MEM_NEW_ARRAY(struct rbac_links *, n + 1);
    map_put(r->bindings, key, b);
    for (size_t i = 0; i < n; i++) {
        b->subjects[i] = rbac_subject_key(o->ns, json_array_get(subjects, i), o->ns);
        rbac_link(r, b, i);
    }
}

static void rbac_remove(struct rbac *r, const char *key)
{
    struct rbac_binding *b = map_get(r->bindings, key);

    if (b == NULL)
        return;
    for (size_t i = 0; b->subjects[i] != NULL; i++)
        rbac_unlink(r, b, i);
    map_del(r->bindings, key);
}

static bool rbac_is_binding(const char *bucket)
{
    return str_eq(bucket, RBAC_ROLE_BINDINGS) || str_eq(bucket, RBAC_CLUSTER_ROLEBINDINGS);
}

void rbac_touch(struct rbac *r, const char *bucket, const char *ns, const char *name)
{
    cleanup(freep) char *key = NULL;
    const struct object *o;

    if (!r->built || !str_ends(bucket, RBAC_GROUP))
        return;
    if (!rbac_is_binding(bucket)) {
        key = mem_fmt("%s/%s", ns, name);
        map_del(r->rules, key);
        return;
    }
    key = mem_fmt("%s/%s/%s", bucket, ns, name);
    rbac_remove(r, key);
    o = store_get(r->store, bucket, ns, name);
    if (o != NULL)
        rbac_add(r, key, o);
}

static void rbac_build(struct rbac *r)
{
    static const char *const buckets[] = { RBAC_ROLE_BINDINGS, RBAC_CLUSTER_ROLEBINDINGS };

    if (r->built)
        return;
    r->built = true;
    for (size_t i = 0; i < N_ELEMENTS(buckets); i++) {
        struct store_iter it;
        const struct object *o;

        store_iter_init(&it, r->store, buckets[i], NULL, NULL, NULL);
        while ((o = store_iter_next(&it)) != NULL) {
            cleanup(freep) char *key = mem_fmt("%s/%s/%s", buckets[i], o->ns, o->name);

            rbac_add(r, key, o);
        }
    }
}

/* --- rules --- */

/* An empty array for a role that is not there: it is asked for again and again. */
static const json_t *rbac_rules_at(struct rbac *r, const char *key)
{
    json_t *rules = map_get(r->rules, key);
    const char *name = strchr(key, '/') + 1;
    cleanup(freep) char *ns = NULL;
    cleanup(json_decrefpp) json_t *role = NULL;
    const struct object *o;

    if (rules != NULL)
        return rules;
    ns = mem_strn(key, (size_t)(name - 1 - key));
    o = store_get(r->store, ns[0] != '\0' ? RBAC_ROLES : RBAC_CLUSTER_ROLES, ns, name);
    role = o != NULL ? object_tree(o) : NULL;
    rules = json_incref(json_object_get(role, "rules"));
    if (rules == NULL)
        rules = json_array();
    map_put(r->rules, key, rules);
    return rules;
}

const json_t *rbac_rules_of(struct rbac *r, const json_t *ref, const char *ns)
{
    cleanup(freep) char *key = rbac_role_key(ref, ns);
    bool cluster = key[0] == '/';

    rbac_build(r); /* from now on, changes are heard of */
    if (store_get(r->store, cluster ? RBAC_CLUSTER_ROLES : RBAC_ROLES, cluster ? "" : ns,
                  json_str_or(ref, "name", "")) == NULL)
        return NULL;
    return rbac_rules_at(r, key);
}

/* --- walking what a user has --- */

/* @b and @subject (a key of the index): by which binding, as whom. */
typedef bool (*rbac_rule_fn)(void *arg, const json_t *rule, const struct rbac_binding *b,
                             const char *subject);

static bool rbac_each_of_subject(struct rbac *r, const char *ns, const char *kind,
                                 const char *subject, rbac_rule_fn fn, void *arg)
{
    char buffer[RBAC_KEY_MAX];
    cleanup(freep) char *longer = NULL;
    const char *key = buffer;
    const struct rbac_links *l;
    int len = snprintf(buffer, sizeof(buffer), "%s %s:%s", ns, kind, subject);

    if (len >= (int)sizeof(buffer))
        key = longer = mem_fmt("%s %s:%s", ns, kind, subject);
    l = map_get(r->links, key);
    for (size_t i = 0; l != NULL && i < l->n; i++) {
        size_t k;
        json_t *rule;

        json_array_foreach (rbac_rules_at(r, l->list[i]->role), k, rule)
            if (fn(arg, rule, l->list[i], key))
                return true;
    }
    return false;
}

static bool rbac_each_in(struct rbac *r, const struct auth_user *u, const char *ns, rbac_rule_fn fn,
                         void *arg)
{
    if (rbac_each_of_subject(r, ns, "User", u->name, fn, arg))
        return true;
    for (size_t i = 0; u->groups != NULL && u->groups[i] != NULL; i++)
        if (rbac_each_of_subject(r, ns, "Group", u->groups[i], fn, arg))
            return true;
    return false;
}

/* Those of the whole cluster, then those of @ns ("" = none). */
static bool rbac_each(struct rbac *r, const struct auth_user *u, const char *ns, rbac_rule_fn fn,
                      void *arg)
{
    rbac_build(r);
    return rbac_each_in(r, u, "", fn, arg) || (ns[0] != '\0' && rbac_each_in(r, u, ns, fn, arg));
}

/* --- questions --- */

static bool rbac_answers(void *arg, const json_t *rule, const struct rbac_binding *b UNUSED,
                         const char *subject UNUSED)
{
    return rbac_rule_allows(rule, arg);
}

bool rbac_allows(struct rbac *r, const struct auth_user *u, const struct auth_question *q)
{
    struct auth_question asked = *q;

    return rbac_each(r, u, q->ns, rbac_answers, &asked);
}

struct rbac_telling {
    struct rbac *rbac;
    struct auth_question question;
    struct text *text; /* borrowed */
};

/* NAME/NAMESPACE where there is a namespace: the words of rbac.go's describers. */
static void rbac_tell_name(struct text *ret, const char *kind, const char *name, const char *ns)
{
    text_fmt(ret, "%s \"%s%s%s\"", kind, name, ns[0] != '\0' ? "/" : "", ns);
}

static void rbac_tell_subject(struct text *ret, const json_t *subject, const char *ns)
{
    const char *kind = json_str_or(subject, "kind", "");
    const char *of = json_str_or(subject, "namespace", "");

    if (!str_eq(kind, "ServiceAccount"))
        ns = "";
    else if (of[0] != '\0')
        ns = of;
    rbac_tell_name(ret, kind, json_str_or(subject, "name", ""), ns);
}

static void rbac_tell(struct rbac *r, const struct rbac_binding *b, const char *key,
                      struct text *ret)
{
    cleanup(strv_freep) char **part = str_split(b->key, '/');
    const struct object *o = store_get(r->store, part[0], part[1], part[2]);
    cleanup(json_decrefpp) json_t *tree = o != NULL ? object_tree(o) : NULL;
    size_t i;
    json_t *subject;

    text_puts(ret, "RBAC: allowed by ");
    rbac_tell_name(ret, part[1][0] != '\0' ? "RoleBinding" : "ClusterRoleBinding", part[2],
                   part[1]);
    text_puts(ret, " of ");
    rbac_tell_name(ret, json_str_or(tree, "roleRef.kind", ""),
                   json_str_or(tree, "roleRef.name", ""), "");
    text_puts(ret, " to ");
    json_array_foreach (json_object_get(tree, "subjects"), i, subject) {
        cleanup(freep) char *of = rbac_subject_key(part[1], subject, part[1]);

        if (str_eq(of, key)) {
            rbac_tell_subject(ret, subject, part[1]);
            return;
        }
    }
}

static bool rbac_answers_and_tells(void *arg, const json_t *rule, const struct rbac_binding *b,
                                   const char *subject)
{
    struct rbac_telling *t = arg;

    if (!rbac_rule_allows(rule, &t->question))
        return false;
    rbac_tell(t->rbac, b, subject, t->text);
    return true;
}

bool rbac_tells(struct rbac *r, const struct auth_user *u, const struct auth_question *q,
                struct text *ret)
{
    struct rbac_telling t = { .rbac = r, .question = *q, .text = ret };

    return rbac_each(r, u, q->ns, rbac_answers_and_tells, &t);
}

static bool rbac_note(void *arg, const json_t *rule, const struct rbac_binding *b UNUSED,
                      const char *subject UNUSED)
{
    json_array_append(arg, (json_t *)(uintptr_t)rule);
    return false;
}

void rbac_rules(struct rbac *r, const struct auth_user *u, const char *ns, json_t *ret)
{
    rbac_each(r, u, ns, rbac_note, ret);
}
