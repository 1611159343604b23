#include "api/policy_impl.h"

#include "api/custom.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define POLICY_MESSAGE_MAX    5120  /* of a messageExpression's result */
#define POLICY_ANNOTATION_MAX 10240 /* of one value for the audit log */
#define POLICY_PARAMS_MAX     100   /* objects that one binding may select */

/* Which requests: the rules of a webhook, and those that are left out. */
struct policy_match {
    json_t *said, *unsaid; /* owned: the spec of @is and @but */
    struct hook is, but;
    bool has_rules, has_exclusions;
};

struct policy_rule {
    const char *text, *message, *reason; /* borrowed from the tree */
    struct cel_program *program, *words; /* owned; words: messageExpression */
    char *wrong;                         /* owned */
};

struct policy_note {
    const char *key; /* borrowed from the tree */
    struct cel_program *program;
    char *wrong;
};

struct policy {
    const char *name;
    json_t *tree; /* owned */
    struct policy_match match;
    struct policy_env *env;
    struct review_conditions *conditions;
    struct policy_rule *rules;
    size_t n_rules;
    struct policy_note *notes;
    size_t n_notes;
    bool ignores_failure;
};

struct policy_binding {
    const char *name;
    json_t *tree; /* owned */
    struct policy_match match;
    const struct policy *policy; /* NULL: there is none of the name */
};

struct policy_set {
    struct policy *policies;
    size_t n;
    struct policy_binding *bindings;
    size_t n_bindings;
};

/* --- which requests --- */

static void policy_match_init(struct policy_match *m, const json_t *resources)
{
    static const char *const shared[] = { "namespaceSelector", "objectSelector", "matchPolicy" };
    json_t *rules = json_at(resources, "resourceRules");
    json_t *exclusions = json_at(resources, "excludeResourceRules");

    m->has_rules = json_array_size(rules) > 0;
    m->has_exclusions = json_array_size(exclusions) > 0;
    m->said = json_object();
    for (size_t i = 0; i < N_ELEMENTS(shared); i++)
        if (json_at(resources, shared[i]) != NULL)
            json_object_set(m->said, shared[i], json_at(resources, shared[i]));
    m->unsaid = json_pack("{s:s*}", "matchPolicy", json_str(resources, "matchPolicy"));
    if (m->has_rules)
        json_object_set(m->said, "rules", rules);
    else
        json_object_set_new(m->said, "rules",
                            json_pack("[{s:[s], s:[s], s:[s], s:[s]}]", "operations", "*",
                                      "apiGroups", "*", "apiVersions", "*", "resources", "*/*"));
    if (m->has_exclusions)
        json_object_set(m->unsaid, "rules", exclusions);
    hook_init(&m->is, m->said);
    hook_init(&m->but, m->unsaid);
}

static void policy_match_fini(struct policy_match *m)
{
    hook_fini(&m->is);
    hook_fini(&m->but);
    json_decref(m->said);
    json_decref(m->unsaid);
}

/* The version in which the policy speaks of it; NULL: it does not. */
static const struct schema_resource *policy_match_row(const struct policy_match *m,
                                                      const struct hook_subject *s)
{
    if (m->has_exclusions && hook_wants(&m->but, s) != NULL)
        return NULL;
    return hook_wants(&m->is, s);
}

/* --- the set --- */

static void policy_read_rules(struct policy *p, const json_t *list)
{
    const struct cel_env *env = policy_env_cel(p->env);
    const json_t *item;
    size_t i;

    p->n_rules = json_array_size(list);
    p->rules = MEM_NEW_ARRAY(struct policy_rule, p->n_rules + 1);
    json_array_foreach (list, i, item) {
        struct policy_rule *r = &p->rules[i];
        const char *words = json_str_or(item, "messageExpression", "");
        cleanup(freep) char *wrong = NULL;

        r->text = json_str_or(item, "expression", "");
        r->message = json_str_or(item, "message", "");
        r->reason = json_str_or(item, "reason", "Invalid");
        r->program = review_cel_compile(r->text, env, CEL_BOOL, &r->wrong);
        if (words[0] != '\0')
            r->words = review_cel_compile(words, env, CEL_STRING, &wrong);
    }
}

static void policy_read_notes(struct policy *p, const json_t *list)
{
    const json_t *item;
    size_t i;

    p->n_notes = json_array_size(list);
    p->notes = MEM_NEW_ARRAY(struct policy_note, p->n_notes + 1);
    json_array_foreach (list, i, item) {
        p->notes[i].key = json_str_or(item, "key", "");
        p->notes[i].program = review_cel_compile(json_str_or(item, "valueExpression", ""),
                                                 policy_env_cel(p->env), CEL_STRING,
                                                 &p->notes[i].wrong);
    }
}

static void policy_init(struct policy *p, const struct object *o)
{
    const json_t *spec, *item;
    size_t i;

    p->tree = object_tree(o);
    p->name = json_str_or(p->tree, "metadata.name", "");
    spec = json_object_get(p->tree, "spec");
    p->ignores_failure = str_eq(json_str(spec, "failurePolicy"), "Ignore");
    policy_match_init(&p->match, json_object_get(spec, "matchConstraints"));
    p->env = policy_env_new(json_at(spec, "paramKind") != NULL);
    json_array_foreach (json_object_get(spec, "variables"), i, item)
        policy_env_add(p->env, json_str_or(item, "name", ""), json_str_or(item, "expression", ""),
                       NULL);
    p->conditions = review_conditions_new(json_object_get(spec, "matchConditions"),
                                          policy_env_cel(p->env));
    policy_read_rules(p, json_object_get(spec, "validations"));
    policy_read_notes(p, json_object_get(spec, "auditAnnotations"));
}

static void policy_fini(struct policy *p)
{
    for (size_t i = 0; i < p->n_rules; i++) {
        cel_program_free(p->rules[i].program);
        cel_program_free(p->rules[i].words);
        free(p->rules[i].wrong);
    }
    for (size_t i = 0; i < p->n_notes; i++) {
        cel_program_free(p->notes[i].program);
        free(p->notes[i].wrong);
    }
    free(p->rules);
    free(p->notes);
    review_conditions_free(p->conditions);
    policy_env_free(p->env);
    policy_match_fini(&p->match);
    json_decref(p->tree);
}

static void policy_binding_init(struct policy_binding *b, const struct policy_set *s,
                                const struct object *o)
{
    const char *of;

    b->tree = object_tree(o);
    b->name = json_str_or(b->tree, "metadata.name", "");
    of = json_str_or(b->tree, "spec.policyName", "");
    policy_match_init(&b->match, json_at(b->tree, "spec.matchResources"));
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->policies[i].name, of))
            b->policy = &s->policies[i];
}

struct policy_set *policy_set_load(const struct store *store)
{
    struct policy_set *s;
    const struct object *o;
    struct store_iter it;

    if (store_count(store, POLICY_BUCKET) == 0 || store_count(store, POLICY_BINDING_BUCKET) == 0)
        return NULL;
    s = MEM_NEW(struct policy_set);
    s->policies = MEM_NEW_ARRAY(struct policy, store_count(store, POLICY_BUCKET));
    s->bindings = MEM_NEW_ARRAY(struct policy_binding, store_count(store, POLICY_BINDING_BUCKET));
    store_iter_init(&it, store, POLICY_BUCKET, NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL)
        policy_init(&s->policies[s->n++], o);
    store_iter_init(&it, store, POLICY_BINDING_BUCKET, NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL)
        policy_binding_init(&s->bindings[s->n_bindings++], s, o);
    return s;
}

struct policy_set *policy_set_free(struct policy_set *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < s->n; i++)
        policy_fini(&s->policies[i]);
    for (size_t i = 0; i < s->n_bindings; i++) {
        policy_match_fini(&s->bindings[i].match);
        json_decref(s->bindings[i].tree);
    }
    free(s->policies);
    free(s->bindings);
    free(s);
    return NULL;
}

/* --- what is said --- */

void policy_verdict_fini(struct policy_verdict *v)
{
    json_decref(v->causes);
    json_decref(v->warnings);
    json_decref(v->annotations);
    *v = (struct policy_verdict){ 0 };
}

struct policy_case { /* one policy under one binding (or none yet) */
    const struct policy *policy;
    const struct policy_binding *binding; /* NULL: the policy itself is at fault */
    struct policy_verdict *verdict;
};

static void policy_deny(struct policy_case *k, const char *message, const char *reason)
{
    cleanup(freep) char *text =
        k->binding == NULL
            ? mem_fmt("ValidatingAdmissionPolicy '%s' denied request: %s", k->policy->name, message)
            : mem_fmt("ValidatingAdmissionPolicy '%s' with binding '%s' denied request: %s",
                      k->policy->name, k->binding->name, message);

    if (k->verdict->causes == NULL)
        k->verdict->causes = json_array();
    json_array_append_new(k->verdict->causes,
                          json_pack("{s:s, s:s}", "message", text, "reason", reason));
}

static void policy_warn(struct policy_case *k, const char *message)
{
    cleanup(freep) char *text = mem_fmt(
        "Validation failed for ValidatingAdmissionPolicy '%s' with binding '%s': %s",
        k->policy->name, k->binding->name, message);

    if (k->verdict->warnings == NULL)
        k->verdict->warnings = json_array();
    json_array_append_new(k->verdict->warnings, json_string(text));
}

static void policy_annotate(struct policy_case *k, const char *key, const char *value)
{
    if (k->verdict->annotations == NULL)
        k->verdict->annotations = json_object();
    json_object_set_new(k->verdict->annotations, key, json_string(value));
}

static void policy_audit(struct policy_case *k, size_t index, const char *message)
{
    json_t *actions = json_at(k->binding->tree, "spec.validationActions");
    cleanup(json_decrefpp) json_t *list = json_pack(
        "[{s:s, s:s, s:s, s:i, s:O}]", "message", message, "policy", k->policy->name, "binding",
        k->binding->name, "expressionIndex", (int)index, "validationActions", actions);
    cleanup(freep) char *value = json_print(list, NULL);

    policy_annotate(k, "validation.policy.admission.k8s.io/validation_failure", value);
}

/* One rule was broken: the binding says what that means. */
static void policy_act(struct policy_case *k, size_t index, const char *message, const char *reason)
{
    const json_t *action;
    size_t i;

    json_array_foreach (json_at(k->binding->tree, "spec.validationActions"), i, action) {
        const char *word = json_string_value(action);

        if (str_eq(word, "Deny"))
            policy_deny(k, message, reason);
        else if (str_eq(word, "Warn"))
            policy_warn(k, message);
        else if (str_eq(word, "Audit"))
            policy_audit(k, index, message);
    }
}

/* The policy could not be followed: failurePolicy says what that means. */
static void policy_broke(struct policy_case *k, size_t index, const char *message)
{
    if (!k->policy->ignores_failure)
        policy_act(k, index, message, "Invalid");
}

/* --- judging --- */

/* A text without blanks around; NULL: nothing that a message could be.  The caller's. */
static char *policy_words(const struct policy_rule *r, struct policy_run *run)
{
    struct err err = ERR_EMPTY;
    struct cel_value v;
    const char *from, *to;

    if (r->words == NULL || cel_run(&v, r->words, run->c, run->vars, &err) < 0 ||
        v.kind != CEL_STRING)
        return NULL;
    for (from = v.s; isspace((unsigned char)*from);)
        from++;
    for (to = v.s + v.n; to > from && isspace((unsigned char)to[-1]);)
        to--;
    if (from == to || to - from > POLICY_MESSAGE_MAX ||
        memchr(from, '\n', (size_t)(to - from)) != NULL)
        return NULL;
    return mem_strn(from, (size_t)(to - from));
}

static void policy_judge_rule(struct policy_case *k, struct policy_run *run, size_t index)
{
    const struct policy_rule *r = &k->policy->rules[index];
    cleanup(freep) char *message = NULL;
    struct err err = ERR_EMPTY;
    struct cel_value v;

    if (r->program == NULL)
        err_set(&err, ERR_INVALID, "compilation error: %s", r->wrong);
    else
        cel_run(&v, r->program, run->c, run->vars, &err);
    if (err.code != 0) {
        message = mem_fmt("expression '%s' resulted in error: %s", r->text, err.text);
        policy_broke(k, index, message);
    } else if (v.kind != CEL_BOOL || !v.b) {
        message = policy_words(r, run);
        if (message == NULL)
            message = r->message[0] != '\0' ? mem_str(r->message)
                                            : mem_fmt("failed expression: %s", r->text);
        policy_act(k, index, message, r->reason);
    }
}

static void policy_judge_note(struct policy_case *k, struct policy_run *run,
                              const struct policy_note *note)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", k->policy->name, note->key), *value = NULL;
    struct err err = ERR_EMPTY;
    struct cel_value v = cel_null();

    if (note->program == NULL)
        err_set(&err, ERR_INVALID, "%s", note->wrong);
    else
        cel_run(&v, note->program, run->c, run->vars, &err);
    if (err.code != 0 && !k->policy->ignores_failure)
        policy_deny(k, err.text, "Invalid");
    if (err.code != 0 || v.kind != CEL_STRING || v.n == 0)
        return;
    value = mem_strn(v.s, v.n < POLICY_ANNOTATION_MAX ? v.n : POLICY_ANNOTATION_MAX);
    policy_annotate(k, key, value);
}

static void policy_judge_facts(struct policy_case *k, const struct review_facts *facts)
{
    cleanup(cel_context_freep) struct cel_context *c = cel_context_new(REVIEW_CEL_BUDGET);
    struct policy_run run;
    struct err err = ERR_EMPTY;
    int matches;

    policy_run_init(&run, k->policy->env, c, facts);
    matches = review_conditions_hold(k->policy->conditions, c, run.vars, &err);
    if (matches < 0)
        policy_broke(k, 0, err.text);
    if (matches != 1)
        return;
    for (size_t i = 0; i < k->policy->n_rules; i++)
        policy_judge_rule(k, &run, i);
    for (size_t i = 0; i < k->policy->n_notes; i++)
        policy_judge_note(k, &run, &k->policy->notes[i]);
}

/* --- parameters --- */

static void policy_misconfigured(struct policy_case *k, const char *why)
{
    cleanup(freep) char *message = mem_fmt("failed to configure binding: %s", why);

    if (!k->policy->ignores_failure)
        policy_deny(k, message, "Invalid");
}

/* Objects of @kind that the binding's paramRef means, as references; the number. */
static size_t policy_find_params(const struct store *store, const struct schema_resource *kind,
                                 const json_t *ref, const char *request_ns,
                                 const struct object **ret)
{
    const char *name = json_str_or(ref, "name", "");
    const char *ns = kind->namespaced ? json_str_or(ref, "namespace", request_ns) : "";
    cleanup(selector_freep) struct selector *wanted = NULL;
    struct err err = ERR_EMPTY;
    const struct object *o;
    struct store_iter it;
    size_t n = 0;

    if (name[0] != '\0') {
        o = store_latest(store, kind->bucket, ns, name);
        if (o != NULL)
            ret[n++] = o;
        return n;
    }
    if (selector_from_json(&wanted, json_at(ref, "selector"), &err) < 0)
        return 0;
    store_iter_init(&it, store, kind->bucket, kind->namespaced ? ns : NULL, NULL, NULL);
    while (n < POLICY_PARAMS_MAX && (o = store_iter_next(&it)) != NULL)
        if (selector_matches(wanted, o))
            ret[n++] = o;
    return n;
}

static void policy_judge_params(struct policy_case *k, const struct store *store,
                                const struct review_facts *facts, const char *request_ns)
{
    const json_t *said = json_at(k->policy->tree, "spec.paramKind");
    const json_t *ref = json_at(k->binding->tree, "spec.paramRef");
    const struct schema_resource *kind = schema_by_api_version(json_str_or(said, "apiVersion", ""),
                                                               json_str_or(said, "kind", ""));
    const struct object *params[POLICY_PARAMS_MAX];
    size_t n = 0;

    if (kind == NULL) {
        policy_misconfigured(k, "failed to find resource referenced by paramKind");
        return;
    }
    if (kind->namespaced && request_ns[0] == '\0' && str_empty(json_str(ref, "namespace"))) {
        policy_misconfigured(k, "cannot use namespaced paramRef in policy binding that matches "
                                "cluster-scoped resources");
        return;
    }
    n = policy_find_params(store, kind, ref, request_ns, params);
    if (n == 0 && !str_eq(json_str_or(ref, "parameterNotFoundAction", "Deny"), "Allow"))
        policy_misconfigured(k, "no params found for policy binding with `Deny` "
                                "parameterNotFoundAction");
    for (size_t i = 0; i < n; i++) {
        cleanup(json_decrefpp) json_t *tree = object_tree(params[i]);
        struct review_facts with = *facts;

        if (kind->custom != NULL)
            custom_refresh(kind, tree);
        with.params = tree;
        policy_judge_facts(k, &with);
    }
}

void policy_set_judge(const struct policy_set *s, const struct store *store,
                      const struct hook_subject *subject, policy_facts_fn facts, void *arg,
                      struct policy_verdict *ret)
{
    for (size_t i = 0; s != NULL && i < s->n_bindings; i++) {
        struct policy_case k = { .policy = s->bindings[i].policy,
                                 .binding = &s->bindings[i],
                                 .verdict = ret };
        const struct schema_resource *row = k.policy != NULL
                                                ? policy_match_row(&k.policy->match, subject)
                                                : NULL;
        bool is_namespace = str_eq(subject->resource->bucket, "namespaces");
        struct review_facts known = { 0 };

        if (row == NULL || policy_match_row(&k.binding->match, subject) == NULL)
            continue;
        facts(arg, row, &known);
        if (json_at(k.policy->tree, "spec.paramKind") == NULL ||
            json_at(k.binding->tree, "spec.paramRef") == NULL)
            policy_judge_facts(&k, &known);
        else
            policy_judge_params(&k, store, &known, is_namespace ? "" : subject->ns);
    }
}
