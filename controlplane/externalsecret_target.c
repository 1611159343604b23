/* The Secret that an ExternalSecret makes. */
#include "controlplane/externalsecret_impl.h"

#include "api/secret_store.h"
#include "base/bits.h"
#include "base/mem.h"
#include "controlplane/claim.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXTERNAL_MANAGED  "reconcile.external-secrets.io/managed"
/* With the uid of the ExternalSecret: a hash of what it wrote, and which keys. */
#define EXTERNAL_NOTE     "external-secrets.mkube.io/"
#define EXTERNAL_APPLIED  "kubectl.kubernetes.io/last-applied-configuration"
#define EXTERNAL_HASH     16
#define EXTERNAL_NOTE_MAX 64

/* --- templates --- */

/* "{{ .key }}" at @at; *ret_end behind it.  NULL: anything else. */
static char *external_slot(const char *at, const char **ret_end)
{
    const char *p = at + strlen("{{"), *name;

    if (*p == '-')
        p++;
    p += strspn(p, " \t\n");
    if (*p++ != '.')
        return NULL;
    name = p;
    while (isalnum((unsigned char)*p) || *p == '_')
        p++;
    *ret_end = p + strspn(p, " \t\n");
    if (p == name || !str_starts(*ret_end, "}}"))
        return NULL;
    *ret_end += strlen("}}");
    return mem_strn(name, (size_t)(p - name));
}

static int external_render(struct text *ret, const char *what, const char *template,
                           const json_t *data, struct err *err)
{
    for (const char *open; (open = strstr(template, "{{")) != NULL;) {
        const char *end;
        cleanup(freep) char *key = external_slot(open, &end);
        const char *coded = key != NULL ? json_string_value(json_object_get(data, key)) : NULL;
        size_t bad;

        if (key == NULL)
            return err_set(err, ERR_UNSUPPORTED,
                           "could not apply template: %s: only {{ .key }} is supported in "
                           "templates here, not \"%.60s\"",
                           what, open);
        if (coded == NULL)
            return err_set(err, ERR_NOT_FOUND,
                           "could not apply template: %s: map has no entry for key \"%s\"", what,
                           key);
        text_add(ret, template, (size_t)(open - template));
        bits_unbase64(ret, coded, strlen(coded), &bad); /* our own making */
        template = end;
    }
    text_puts(ret, template);
    return 0;
}

/* Renders a map of templates into @to; as base64 when it is data. */
static int external_render_map(const json_t *map, const json_t *data, bool coded, json_t *to,
                               struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)map, key, value) {
        cleanup(text_fini) struct text text = TEXT_EMPTY, base64 = TEXT_EMPTY;
        int rc = external_render(&text, key, json_string_value(value), data, err);

        if (rc < 0)
            return rc;
        if (coded)
            bits_base64(&base64, text_str(&text), text.len);
        json_object_set_new(to, key, json_string(text_str(coded ? &base64 : &text)));
    }
    return 0;
}

int external_template(const struct external *x, const json_t *data, json_t **ret, struct err *err)
{
    const json_t *template = json_at(x->spec, "target.template");
    const json_t *map = json_object_get(template, "data");
    cleanup(json_decrefpp) json_t *made = NULL;
    int rc;

    if (json_object_get(template, "templateFrom") != NULL)
        return err_set(err, ERR_UNSUPPORTED,
                       "could not apply template: templateFrom is not "
                       "supported here: write the templates into data");
    made = map == NULL || str_eq(json_str(template, "mergePolicy"), "Merge") ? json_deep_copy(data)
                                                                             : json_object();
    rc = external_render_map(map, data, true, made, err);
    if (rc == 0)
        *ret = STEAL(made);
    return rc;
}

/* --- what was written --- */

static void external_note_name(char ret[EXTERNAL_NOTE_MAX], const struct external *x)
{
    snprintf(ret, EXTERNAL_NOTE_MAX, EXTERNAL_NOTE "%.36s", x->object->uid);
}

static int external_by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void external_hash(char ret[EXTERNAL_HASH + 1], const json_t *data)
{
    cleanup(freep) char *all = json_print_sorted(data, NULL);
    char hash[BITS_SHA256_HEX];

    bits_sha256_hex(hash, all, strlen(all));
    snprintf(ret, EXTERNAL_HASH + 1, "%.16s", hash);
}

/* "0123456789abcdef:a,b" */
static char *external_note(const json_t *data)
{
    cleanup(freep) const char **keys = MEM_NEW_ARRAY(const char *, json_object_size(data) + 1);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    char hash[EXTERNAL_HASH + 1];
    const char *key;
    json_t *value;
    size_t n = 0;

    external_hash(hash, data);
    json_object_foreach ((json_t *)(uintptr_t)data, key, value)
        keys[n++] = key;
    qsort(keys, n, sizeof(*keys), external_by_name);
    text_fmt(&t, "%s:", hash);
    for (size_t i = 0; i < n; i++)
        text_fmt(&t, "%s%s", i > 0 ? "," : "", keys[i]);
    return text_take(&t);
}

/* Those members of @data that the note says are ours; the caller's. */
static json_t *external_ours(const json_t *data, const char *note)
{
    json_t *ours = json_object();
    const char *p = note != NULL ? strchr(note, ':') : NULL;

    while (p != NULL && p[1] != '\0') {
        size_t len = strcspn(++p, ",");
        cleanup(freep) char *key = mem_strn(p, len);
        json_t *value = json_object_get(data, key);

        if (value != NULL)
            json_object_set(ours, key, value);
        p = p[len] == ',' ? p + len : NULL;
    }
    return ours;
}

static const char *external_note_of(const struct external *x, const json_t *secret)
{
    char name[EXTERNAL_NOTE_MAX];

    external_note_name(name, x);
    return json_string_value(json_object_get(json_at(secret, "metadata.annotations"), name));
}

static bool external_owns(const struct external *x, const struct object *have)
{
    for (size_t i = 0; i < have->n_owners; i++)
        if (str_eq(have->owners[i].uid, x->object->uid))
            return true;
    return false;
}

bool external_target_holds(const struct external *x, const struct object *have)
{
    const json_t *tree = view_tree(x->view, have);
    const char *note = external_note_of(x, tree);
    cleanup(json_decrefpp) json_t *ours = external_ours(json_object_get(tree, "data"), note);
    cleanup(freep) char *now = external_note(ours);

    return str_eq(note, now) && (!str_eq(x->creation, "Owner") || external_owns(x, have));
}

/* --- the Secret --- */

static json_t *external_member(json_t *tree, const char *path)
{
    if (json_at(tree, path) == NULL)
        json_put(tree, path, json_object());
    return json_at(tree, path);
}

/* Labels and annotations of the template, else the ExternalSecret's own. */
static int external_metadata(const struct external *x, const json_t *data, json_t *tree,
                             struct err *err)
{
    static const char *const kinds[] = { "labels", "annotations" };
    const json_t *template = json_at(x->spec, "target.template.metadata");

    for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
        cleanup(freep) char *path = mem_fmt("metadata.%s", kinds[i]);
        json_t *to = external_member(tree, path);
        const json_t *own = json_object_get(json_object_get(x->tree, "metadata"), kinds[i]);
        const char *key;
        json_t *value;

        if (template != NULL) {
            int rc = external_render_map(json_object_get(template, kinds[i]), data, false, to, err);

            if (rc < 0)
                return rc;
            continue;
        }
        json_object_foreach ((json_t *)(uintptr_t)own, key, value)
            if (!str_eq(key, EXTERNAL_APPLIED))
                json_object_set(to, key, value);
    }
    return 0;
}

static int external_own(const struct external *x, const struct object *have, json_t *tree,
                        struct err *err)
{
    json_t *refs = json_at(tree, "metadata.ownerReferences"), *ref;
    size_t i;

    json_array_foreach (refs, i, ref) {
        if (str_eq(json_str(ref, "uid"), x->object->uid))
            return 0;
        if (json_bool(ref, "controller", false))
            return err_set(err, ERR_CONFLICT,
                           "could not set ExternalSecret controller reference: Object %s/%s is "
                           "already owned by another %s controller %s",
                           have->ns, have->name, json_str_or(ref, "kind", ""),
                           json_str_or(ref, "name", ""));
    }
    if (refs == NULL) {
        refs = json_array();
        json_put(tree, "metadata.ownerReferences", refs);
    }
    json_array_append_new(refs,
                          claim_reference(x->object, "external-secrets.io/v1", "ExternalSecret"));
    return 0;
}

static json_t *external_fresh(const struct external *x)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:s}", "apiVersion", "v1", "kind", "Secret",
                     "metadata", "name", x->target, "namespace", x->object->ns, "type",
                     json_str_or(x->spec, "target.template.type", "Opaque"));
}

/* Puts @made into the data of @tree: all of it, or beside what others keep there. */
static void external_fill(const struct external *x, json_t *tree, const json_t *made)
{
    cleanup(json_decrefpp) json_t *was = NULL;
    json_t *data = external_member(tree, "data"), *value;
    const char *key;

    if (str_eq(x->creation, "Merge")) {
        was = external_ours(data, external_note_of(x, tree));
        json_object_foreach (was, key, value)
            json_object_del(data, key);
    } else {
        json_object_clear(data);
    }
    json_object_update(data, (json_t *)(uintptr_t)made);
}

json_t *external_target(const struct external *x, const struct object *have, const json_t *data,
                        struct err *err)
{
    cleanup(json_decrefpp) json_t *tree = have != NULL ? json_deep_copy(view_tree(x->view, have))
                                                       : external_fresh(x);
    cleanup(json_decrefpp) json_t *made = NULL;
    cleanup(freep) char *note = NULL;
    char name[EXTERNAL_NOTE_MAX];

    if (have == NULL && str_eq(x->creation, "Merge")) {
        err_set(err, ERR_NOT_FOUND,
                "the desired secret %s was not found. With creationPolicy=Merge the secret won't "
                "be created",
                x->target);
        return NULL;
    }
    if (external_template(x, data, &made, err) < 0 || external_metadata(x, data, tree, err) < 0 ||
        (str_eq(x->creation, "Owner") && external_own(x, have, tree, err) < 0))
        return NULL;
    external_fill(x, tree, made);
    note = external_note(made);
    external_note_name(name, x);
    json_object_set_new(external_member(tree, "metadata.annotations"), name, json_string(note));
    json_object_set_new(external_member(tree, "metadata.labels"), EXTERNAL_MANAGED,
                        json_string("true"));
    if (json_bool(x->spec, "target.immutable", false))
        json_put_bool(tree, "immutable", true);
    return STEAL(tree);
}
