/* layer: api
 * What a namespace asks of a pod: lines of JSON or YAML flows (LimitRange, ResourceQuota, labels of
 * the namespace, Pod), each as decoding leaves it.  Giving defaults twice is giving them once, a
 * quota never counts below zero, and who is not within says why. */
#include "api/decode.h"
#include "api/limit_range.h"
#include "api/pod_security.h"
#include "api/quota.h"
#include "api/validate.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line of @data as an object of @kind; NULL: it is none, or would be refused. */
static json_t *fuzz_object(const char **data, size_t *size, const char *kind)
{
    const char *end = memchr(*data, '\n', *size);
    size_t len = end != NULL ? (size_t)(end - *data) : *size;
    cleanup(json_decrefpp) json_t *docs = NULL;
    const struct schema_resource *r = schema_by_api_version("v1", kind);
    struct field_errors wrong = FIELD_ERRORS_EMPTY;
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    if (yaml_parse(&docs, *data, len, &err) == 0 && json_array_size(docs) == 1)
        tree = json_incref(json_array_get(docs, 0));
    *data += end != NULL ? len + 1 : len;
    *size -= end != NULL ? len + 1 : len;
    if (!json_is_object(tree) || decode_check(tree, r->type, NULL, &err) < 0) {
        json_decref(tree);
        return NULL;
    }
    decode_defaults(tree, r);
    validate_create(&wrong, r, tree);
    if (wrong.n > 0) {
        json_decref(tree);
        tree = NULL;
    }
    field_errors_fini(&wrong);
    return tree;
}

static void fuzz_range(json_t *pod, const json_t *range)
{
    cleanup(text_fini) struct text first = TEXT_EMPTY, second = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *once = NULL;

    limit_range_default(pod, range);
    once = json_deep_copy(json_at(pod, "spec"));
    limit_range_check_pod(&first, pod, range);
    limit_range_default(pod, range);
    assert(json_equal(once, json_at(pod, "spec")));
    limit_range_check_pod(&second, pod, range);
    assert(strcmp(text_str(&first), text_str(&second)) == 0);
}

static void fuzz_quota(const json_t *pod, const json_t *quota)
{
    cleanup(json_decrefpp) json_t *used = quota_nothing(quota);
    cleanup(json_decrefpp) json_t *usage = quota_usage("pods", pod, 0);
    cleanup(text_fini) struct text missing = TEXT_EMPTY;
    size_t n = json_object_size(used);

    assert(json_is_object(usage));
    quota_missing(&missing, quota, pod);
    quota_take(used, quota, "pods", pod);
    assert(json_object_size(used) == n);
    quota_is_told(quota);
    quota_expiry(pod);
}

static void fuzz_security(const json_t *pod, const json_t *ns)
{
    struct pod_security_policy policies[POD_SECURITY_MODES];
    struct field_errors wrong = FIELD_ERRORS_EMPTY;

    pod_security_read(policies, json_at(ns, "metadata.labels"), &wrong);
    field_errors_fini(&wrong);
    for (size_t i = 0; i < POD_SECURITY_MODES; i++) {
        struct pod_security_findings found = POD_SECURITY_FINDINGS_EMPTY;
        bool ok = pod_security_check(&found, policies[i], json_at(pod, "metadata"),
                                     json_at(pod, "spec"));

        assert(ok == (found.reasons.len == 0) && ok == (found.details.len == 0));
        pod_security_findings_fini(&found);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    cleanup(json_decrefpp) json_t *range = fuzz_object(&at, &size, "LimitRange");
    cleanup(json_decrefpp) json_t *quota = fuzz_object(&at, &size, "ResourceQuota");
    cleanup(json_decrefpp) json_t *ns = fuzz_object(&at, &size, "Namespace");
    cleanup(json_decrefpp) json_t *pod = fuzz_object(&at, &size, "Pod");

    if (pod == NULL)
        return 0;
    if (range != NULL)
        fuzz_range(pod, range);
    if (quota != NULL)
        fuzz_quota(pod, quota);
    if (ns != NULL)
        fuzz_security(pod, ns);
    return 0;
}
