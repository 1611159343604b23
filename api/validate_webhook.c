/* Webhook configurations (pkg/apis/admissionregistration/validation), and the clientConfig that
 * definitions of custom kinds have as well (apiserver/pkg/util/webhook/validation.go). */
#include "api/validate_impl.h"

#include "api/review_cel.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* --- clientConfig --- */

#define WEBHOOK_FORM "; desired format: https://host[/path]"

static void validate_webhook_url(struct field_errors *e, const char *url, const char *path)
{
    const char *colon = strstr(url, "://");
    cleanup(freep) char *scheme = mem_strn(url, colon != NULL ? (size_t)(colon - url) : 0);
    const char *host = colon != NULL ? colon + 3 : url;
    cleanup(freep) char *authority = mem_strn(host, strcspn(host, "/?#"));
    const char *at = strchr(authority, '@');
    const char *fragment = strchr(host, '#'), *query = strchr(host, '?');

    if (!str_eq(scheme, "https"))
        field_invalid_str(e, path, scheme, "'https' is the only allowed URL scheme" WEBHOOK_FORM);
    if (colon == NULL || authority[0] == '\0')
        field_invalid_str(e, path, "", "host must be provided" WEBHOOK_FORM);
    if (at != NULL) {
        cleanup(freep) char *user = mem_strn(authority, (size_t)(at - authority));

        field_invalid_str(e, path, user, "user information is not permitted in the URL");
    }
    if (fragment != NULL && fragment[1] != '\0')
        field_invalid_str(e, path, fragment + 1, "fragments are not permitted in the URL");
    if (query != NULL && query[1] != '\0' && query[1] != '#')
        field_invalid_str(e, path, query + 1, "query parameters are not permitted in the URL");
}

static void validate_webhook_steps(struct field_errors *e, const char *url, const char *path)
{
    size_t len = strlen(url);
    /* One blank step at the end is fine: "/a/". */
    cleanup(freep) char *steps = mem_strn(url + 1,
                                          len > 1 && url[len - 1] == '/' ? len - 2 : len - 1);
    char **step = str_split(steps, '/');

    for (size_t i = 0; step[i] != NULL; i++) {
        const char *problem = validate_dns1123_subdomain(step[i]);

        if (step[i][0] == '\0')
            field_invalid_str(e, path, url, "segment[%zu] may not be empty", i);
        else if (problem != NULL)
            field_invalid_str(e, path, url, "segment[%zu]: %s", i, problem);
    }
    strv_free(step);
}

static void validate_webhook_path(struct field_errors *e, const char *url, const char *path)
{
    if (url[0] == '\0' || str_eq(url, "/"))
        return;
    if (str_eq(url, "//")) {
        field_invalid_str(e, path, url, "segment[0] may not be empty");
        return;
    }
    if (url[0] != '/')
        field_invalid_str(e, path, url, "must start with a '/'");
    validate_webhook_steps(e, url, path);
}

static void validate_webhook_service(struct field_errors *e, const json_t *service,
                                     const char *path)
{
    int64_t port = json_int(service, "port", 443);

    if (str_empty(json_str(service, "name")))
        field_required(e, AT("%s.name", path), "service name is required");
    if (str_empty(json_str(service, "namespace")))
        field_required(e, AT("%s.namespace", path), "service namespace is required");
    if (port < 1 || port > 65535)
        field_invalid(e, AT("%s.port", path), json_object_get(service, "port"),
                      "port is not valid: must be between 1 and 65535, inclusive");
    validate_webhook_path(e, json_str_or(service, "path", ""), AT("%s.path", path));
}

void validate_client_config(struct field_errors *e, const json_t *config, const char *path)
{
    const char *url = json_str(config, "url");
    const json_t *service = json_at(config, "service");

    if ((url == NULL) == (service == NULL))
        field_required(e, path, "exactly one of url or service is required");
    else if (url != NULL)
        validate_webhook_url(e, url, AT("%s.url", path));
    else
        validate_webhook_service(e, service, AT("%s.service", path));
}

/* --- rules --- */

/* "*" stands alone. */
static void validate_webhook_words(struct field_errors *e, const json_t *rule, const char *key,
                                   const char *others, const char *path)
{
    const json_t *list = json_object_get(rule, key);

    if (json_array_size(list) == 0)
        field_required(e, AT("%s.%s", path, key), NULL);
    if (json_array_size(list) > 1 && json_has_str(list, "*"))
        field_invalid(e, AT("%s.%s", path, key), list,
                      "if '*' is present, must not specify other %s", others);
}

/* Whether one of the first @n of @list is @resource/@sub. */
static bool validate_webhook_covers(const json_t *list, size_t n, const char *resource,
                                    const char *sub)
{
    cleanup(freep) char *word = mem_fmt("%s/%s", resource, sub);

    for (size_t i = 0; i < n; i++)
        if (str_eq(json_string_value(json_array_get(list, i)), word))
            return true;
    return false;
}

static void validate_webhook_resources(struct field_errors *e, const json_t *rule, const char *path)
{
    const json_t *list = json_object_get(rule, "resources");
    struct validate_path at = validate_path("%s.resources", path);
    bool plain = false;
    size_t i;
    json_t *item;

    if (json_array_size(list) == 0)
        field_required(e, at.s, NULL);
    json_array_foreach (list, i, item) {
        const char *word = json_string_value(item), *slash = strchr(word, '/');
        cleanup(freep) char *resource = mem_strn(word, strcspn(word, "/"));

        if (word[0] == '\0')
            field_required(e, AT("%s[%zu]", at.s, i), NULL);
        else if (slash == NULL)
            plain = !str_eq(word, "*");
        else if (validate_webhook_covers(list, i, resource, "*"))
            field_invalid(e, AT("%s[%zu]", at.s, i), item,
                          "if '%s/*' is present, must not specify %s", resource, word);
        else if (validate_webhook_covers(list, i, "*", slash + 1))
            field_invalid(e, AT("%s[%zu]", at.s, i), item,
                          "if '*/%s' is present, must not specify %s", slash + 1, word);
    }
    if (json_array_size(list) > 1 && json_has_str(list, "*/*"))
        field_invalid(e, at.s, list, "if '*/*' is present, must not specify other resources");
    if (json_has_str(list, "*") && plain)
        field_invalid(e, at.s, list,
                      "if '*' is present, must not specify other resources without subresources");
}

void validate_webhook_rule(struct field_errors *e, const json_t *rule, const char *path)
{
    size_t i;
    json_t *item;

    validate_webhook_words(e, rule, "operations", "operations", path);
    validate_webhook_words(e, rule, "apiGroups", "API groups", path);
    validate_webhook_words(e, rule, "apiVersions", "API versions", path);
    json_array_foreach (json_object_get(rule, "apiVersions"), i, item)
        if (json_string_length(item) == 0)
            field_required(e, AT("%s.apiVersions[%zu]", path, i), NULL);
    validate_webhook_resources(e, rule, path);
}

/* --- one webhook --- */

static void validate_webhook_name(struct field_errors *e, const json_t *hook, const char *path)
{
    const char *name = json_str_or(hook, "name", "");
    struct validate_path at = validate_path("%s.name", path);
    unsigned dots = 0;

    if (name[0] == '\0')
        return; /* the tables say so */
    for (const char *s = name; *s != '\0'; s++)
        dots += *s == '.';
    validate_value(e, json_object_get(hook, "name"), at.s, validate_dns1123_subdomain);
    if (dots < 2)
        field_invalid_str(e, at.s, name,
                          "should be a domain with at least three segments separated by dots");
}

static void validate_review_versions(struct field_errors *e, const json_t *hook, const char *path)
{
    const json_t *list = json_object_get(hook, "admissionReviewVersions");
    struct validate_path at = validate_path("%s.admissionReviewVersions", path);
    size_t i;
    json_t *item;

    if (json_array_size(list) == 0) {
        field_required(e, at.s, "must specify one of v1, v1beta1");
        return;
    }
    json_array_foreach (list, i, item) {
        bool seen = false;

        for (size_t k = 0; k < i; k++)
            seen = seen || json_equal(json_array_get(list, k), item);
        if (seen)
            field_invalid(e, AT("%s[%zu]", at.s, i), item, "duplicate version");
        else
            validate_value(e, item, AT("%s[%zu]", at.s, i), validate_dns1035_label);
    }
    if (!json_has_str(list, "v1") && !json_has_str(list, "v1beta1"))
        field_invalid(e, at.s, list, "must include at least one of v1, v1beta1");
}

static void validate_side_effects(struct field_errors *e, const json_t *hook, const char *path)
{
    static const char *const allowed[] = { "None", "NoneOnDryRun", NULL };
    const json_t *effects = json_object_get(hook, "sideEffects");
    const char *word = json_string_value(effects);

    if (str_empty(word))
        field_required(e, AT("%s.sideEffects", path), "must specify one of None, NoneOnDryRun");
    else if (!str_eq(word, "None") && !str_eq(word, "NoneOnDryRun"))
        field_not_supported(e, AT("%s.sideEffects", path), effects, allowed);
}

static void validate_webhook(struct field_errors *e, const json_t *hook, const char *path)
{
    const json_t *timeout = json_object_get(hook, "timeoutSeconds"), *rule;
    int64_t seconds = timeout != NULL ? json_integer_value(timeout) : 10;
    size_t i;

    validate_webhook_name(e, hook, path);
    json_array_foreach (json_object_get(hook, "rules"), i, rule)
        validate_webhook_rule(e, rule, AT("%s.rules[%zu]", path, i));
    validate_side_effects(e, hook, path);
    if (seconds < 1 || seconds > 30)
        field_invalid(e, AT("%s.timeoutSeconds", path), timeout,
                      "the timeout value must be between 1 and 30 seconds");
    validate_label_selector(e, json_object_get(hook, "namespaceSelector"),
                            AT("%s.namespaceSelector", path));
    validate_label_selector(e, json_object_get(hook, "objectSelector"),
                            AT("%s.objectSelector", path));
    validate_client_config(e, json_object_get(hook, "clientConfig"), AT("%s.clientConfig", path));
    validate_conditions(e, json_object_get(hook, "matchConditions"), &review_cel_webhooks,
                        AT("%s.matchConditions", path));
    validate_review_versions(e, hook, path);
}

static void validate_webhooks(struct field_errors *e, const json_t *tree)
{
    const json_t *list = json_object_get(tree, "webhooks"), *hook;
    size_t i;

    json_array_foreach (list, i, hook) {
        const char *name = json_str_or(hook, "name", "");

        validate_webhook(e, hook, AT("webhooks[%zu]", i));
        for (size_t k = 0; k < i && name[0] != '\0'; k++)
            if (str_eq(json_str(json_array_get(list, k), "name"), name)) {
                field_duplicate(e, AT("webhooks[%zu].name", i), json_object_get(hook, "name"));
                break;
            }
    }
}

const struct validate_kind validate_kinds_webhook[] = {
    { .bucket = "mutatingwebhookconfigurations.admissionregistration.k8s.io",
      .always = validate_webhooks },
    { .bucket = "validatingwebhookconfigurations.admissionregistration.k8s.io",
      .always = validate_webhooks },
    { 0 },
};
