#include "nodeagent/env.h"

#include "base/bits.h"
#include "base/mem.h"

#include <string.h>

void env_list_fini(struct env_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->vars[i].name);
        free(l->vars[i].value);
    }
    free(l->vars);
    *l = (struct env_list)ENV_LIST_EMPTY;
}

static struct env_var *env_list_find(const struct env_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->vars[i].name, name) == 0)
            return &l->vars[i];
    return NULL;
}

void env_list_set(struct env_list *l, const char *name, const char *value)
{
    struct env_var *v = env_list_find(l, name);

    if (v != NULL) {
        free(v->value);
        v->value = mem_str(value);
        return;
    }
    l->vars = mem_grow(l->vars, l->n + 1, sizeof(*l->vars));
    l->vars[l->n++] = (struct env_var){ .name = mem_str(name), .value = mem_str(value) };
}

const char *env_list_get(const struct env_list *l, const char *name)
{
    const struct env_var *v = env_list_find(l, name);

    return v == NULL ? NULL : v->value;
}

/* After a '$' at @s: writes what it stands for and returns the first byte after it. */
static const char *env_expand_one(struct text *out, const char *s, env_find_fn find,
                                  const void *arg)
{
    const char *end;

    if (s[1] == '$') {
        text_putc(out, '$');
        return s + 2;
    }
    end = s[1] == '(' ? strchr(s, ')') : NULL;
    if (end == NULL) {
        text_putc(out, '$');
        return s + 1;
    }
    cleanup(freep) char *name = mem_strn(s + 2, (size_t)(end - s) - 2);
    const char *value = find(arg, name);

    if (value != NULL)
        text_puts(out, value);
    else
        text_add(out, s, (size_t)(end - s) + 1);
    return end + 1;
}

char *env_expand(const char *text, env_find_fn find, const void *arg)
{
    struct text out = TEXT_EMPTY;

    while (*text != '\0') {
        const char *next = strchr(text, '$');

        if (next == NULL) {
            text_puts(&out, text);
            break;
        }
        text_add(&out, text, (size_t)(next - text));
        text = env_expand_one(&out, next, find, arg);
    }
    return text_take(&out);
}

static const char *env_find_in_list(const void *arg, const char *name)
{
    return env_list_get(arg, name);
}

char *env_expand_list(const char *text, const struct env_list *vars)
{
    return env_expand(text, env_find_in_list, vars);
}

/* What is defined so far, then services: the order of the kubelet's mapping function. */
struct env_scope {
    const struct env_list *vars, *services;
};

static const char *env_find_in_scope(const void *arg, const char *name)
{
    const struct env_scope *scope = arg;
    const char *value = env_list_get(scope->vars, name);

    if (value == NULL && scope->services != NULL)
        value = env_list_get(scope->services, name);
    return value;
}

static bool env_is_secret(const json_t *object)
{
    return str_eq(json_str(object, "kind"), "Secret");
}

/* A value of a Secret's data or a ConfigMap's binaryData. */
static bool env_decode(struct text *ret, const char *value)
{
    return value != NULL && bits_unbase64(ret, value, strlen(value), NULL);
}

bool env_object_key(struct text *ret, const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(json_object_get(object, "data"), key));

    if (env_is_secret(object))
        return env_decode(ret, value);
    if (value == NULL)
        return env_decode(
            ret, json_string_value(json_object_get(json_object_get(object, "binaryData"), key)));
    text_puts(ret, value);
    return true;
}

/* Names the environment cannot hold are left out; the kubelet reports them, and goes on. */
static bool env_is_name(const char *name)
{
    return name[0] != '\0' && strchr(name, '=') == NULL;
}

static const struct env_kind {
    const char *from, *key_ref, *bucket, *word, *title;
} env_kinds[] = {
    { "configMapRef", "configMapKeyRef", "configmaps", "configmap", "ConfigMap" },
    { "secretRef", "secretKeyRef", "secrets", "secret", "Secret" },
};

static int env_add_from(struct env_list *to, const json_t *from, const struct env_kind *kind,
                        const struct env_sources *sources, struct err *err)
{
    const json_t *ref = json_object_get(from, kind->from);
    const char *name = json_str_or(ref, "name", "");
    const char *prefix = json_str_or(from, "prefix", "");
    const json_t *object;
    const char *key;
    json_t *value;

    if (ref == NULL)
        return 0;
    object = sources->find(sources->arg, kind->bucket, name);
    if (object == NULL)
        return json_bool(ref, "optional", false)
                   ? 0
                   : err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found", kind->word, name);
    json_object_foreach (json_object_get(object, "data"), key, value) {
        cleanup(text_fini) struct text text = TEXT_EMPTY;
        cleanup(freep) char *whole = mem_fmt("%s%s", prefix, key);

        (void)value;
        if (env_is_name(whole) && env_object_key(&text, object, key))
            env_list_set(to, whole, text_str(&text));
    }
    return 0;
}

/* 1: optional and missing, the variable is left out. */
static int env_key_value(struct text *ret, const json_t *ref, const struct env_kind *kind,
                         const struct pod_view *pod, const struct env_sources *sources,
                         struct err *err)
{
    const char *name = json_str_or(ref, "name", "");
    const char *key = json_str_or(ref, "key", "");
    const json_t *object = sources->find(sources->arg, kind->bucket, name);

    if (object != NULL && env_object_key(ret, object, key))
        return 0;
    if (json_bool(ref, "optional", false))
        return 1;
    if (object == NULL)
        return err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found", kind->word, name);
    return err_set(err, ERR_NOT_FOUND, "couldn't find key %s in %s %s/%s", key, kind->title,
                   pod->ns, name);
}

static int env_value_from(struct text *ret, const json_t *from, const struct pod_view *pod,
                          const struct container_view *c, const struct env_sources *sources,
                          struct err *err)
{
    const json_t *ref;

    for (size_t i = 0; i < N_ELEMENTS(env_kinds); i++)
        if ((ref = json_object_get(from, env_kinds[i].key_ref)) != NULL)
            return env_key_value(ret, ref, &env_kinds[i], pod, sources, err);
    if ((ref = json_object_get(from, "fieldRef")) != NULL)
        return pod_fields_get(ret, pod, json_str(ref, "fieldPath"), sources->around, err);
    if ((ref = json_object_get(from, "resourceFieldRef")) != NULL)
        return pod_fields_resource(ret, pod, ref, c->name, sources->around, err);
    return err_set(err, ERR_INVALID, "valueFrom names no source");
}

static int env_add_var(struct env_list *to, const json_t *var, const struct pod_view *pod,
                       const struct container_view *c, const struct env_sources *sources,
                       struct err *err)
{
    cleanup(text_fini) struct text value = TEXT_EMPTY;
    const char *name = json_str_or(var, "name", "");
    const json_t *from = json_at(var, "valueFrom");
    struct env_scope scope = { .vars = to, .services = sources->services };
    int rc;

    if (from == NULL) {
        cleanup(freep) char *expanded = env_expand(json_str_or(var, "value", ""), env_find_in_scope,
                                                   &scope);

        env_list_set(to, name, expanded);
        return 0;
    }
    rc = env_value_from(&value, from, pod, c, sources, err);
    if (rc == 0)
        env_list_set(to, name, text_str(&value));
    return rc < 0 ? rc : 0;
}

int env_make(struct env_list *ret, const struct pod_view *pod, const struct container_view *c,
             const struct env_sources *sources, struct err *err)
{
    size_t i;
    json_t *item;
    int rc = 0;

    json_array_foreach (json_at(c->spec, "envFrom"), i, item) {
        for (size_t k = 0; k < N_ELEMENTS(env_kinds) && rc == 0; k++)
            rc = env_add_from(ret, item, &env_kinds[k], sources, err);
        if (rc < 0)
            return rc;
    }
    json_array_foreach (json_at(c->spec, "env"), i, item) {
        rc = env_add_var(ret, item, pod, c, sources, err);
        if (rc < 0)
            return rc;
    }
    for (i = 0; sources->services != NULL && i < sources->services->n; i++) {
        const struct env_var *v = &sources->services->vars[i];

        if (env_list_get(ret, v->name) == NULL)
            env_list_set(ret, v->name, v->value);
    }
    return 0;
}
