#include "controlplane/template.h"

#include "base/bits.h"
#include "base/mem.h"
#include "controlplane/claim.h"

#include <stdio.h>
#include <string.h>

static void template_copy(json_t *to, const json_t *from, const char *key)
{
    const json_t *value = json_object_get(from, key);

    if (value && !json_is_null(value))
        json_object_set_new(to, key, json_deep_copy(value));
}

json_t *template_pod(const json_t *template_tree, const struct object *owner,
                     const char *api_version, const char *kind)
{
    const json_t *from = json_object_get(template_tree, "metadata");
    json_t *pod = json_object(), *metadata = json_object(), *refs = json_array();

    json_object_set_new(pod, "apiVersion", json_string("v1"));
    json_object_set_new(pod, "kind", json_string("Pod"));
    json_object_set_new(pod, "metadata", metadata);
    template_copy(metadata, from, "labels");
    template_copy(metadata, from, "annotations");
    template_copy(metadata, from, "finalizers");
    json_object_set_new(metadata, "namespace", json_string(owner->ns));
    json_array_append_new(refs, claim_reference(owner, api_version, kind));
    json_object_set_new(metadata, "ownerReferences", refs);
    template_copy(pod, template_tree, "spec");
    return pod;
}

/* Kubernetes' alphabet for generated names: no vowels, so no words; no 0, 1, 3. */
static const char template_alphabet[] = "bcdfghjklmnpqrstvwxz2456789";

void template_hash(char ret[TEMPLATE_HASH_MAX], const json_t *tree, int64_t collisions)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(freep) char *canonical = NULL;
    size_t len;

    canonical = json_print_sorted(tree, &len);
    text_add(&t, canonical, len);
    if (collisions > 0)
        text_fmt(&t, "#%lld", (long long)collisions);
    snprintf(ret, TEMPLATE_HASH_MAX, "%u", bits_fnv32a(text_str(&t), t.len));
    for (char *c = ret; *c; c++)
        *c = template_alphabet[(unsigned char)*c % (sizeof(template_alphabet) - 1)];
}

static json_t *template_without_hash(const json_t *t)
{
    json_t *copy = json_deep_copy(t);
    json_t *labels = json_at(copy, "metadata.labels");

    json_object_del(labels, TEMPLATE_HASH_LABEL);
    if (labels && json_object_size(labels) == 0)
        json_del(copy, "metadata.labels");
    return copy;
}

bool template_equal(const json_t *a, const json_t *b)
{
    cleanup(json_decrefpp) json_t *bare_a = template_without_hash(a);
    cleanup(json_decrefpp) json_t *bare_b = template_without_hash(b);

    return json_equal(bare_a, bare_b);
}
