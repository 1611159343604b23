/* ValidatingAdmissionPolicies and their bindings, and conditions of webhooks
 * (pkg/apis/admissionregistration/validation): expressions must compile before they are kept. */
#include "api/validate_impl.h"

#include "api/policy.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define POLICY_CONDITIONS_MAX 64
#define POLICY_NOTES_MAX      20

/* --- expressions --- */

static bool policy_is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static void validate_expression(struct field_errors *e, const char *path, const char *text,
                                const struct cel_env *env, enum cel_kind want)
{
    cleanup(freep) char *wrong = NULL;
    cleanup(cel_program_freep) struct cel_program *p = NULL;

    if (policy_is_blank(text)) {
        field_required(e, path, NULL);
        return;
    }
    p = review_cel_compile(text, env, want, &wrong);
    if (p == NULL)
        field_invalid_str(e, path, text, "%s", wrong);
}

void validate_conditions(struct field_errors *e, const json_t *list, const struct cel_env *env,
                         const char *path)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) > POLICY_CONDITIONS_MAX)
        field_too_many(e, path, (int)json_array_size(list), POLICY_CONDITIONS_MAX);
    json_array_foreach (list, i, item) {
        const json_t *name = json_object_get(item, "name");

        validate_expression(e, AT("%s[%zu].expression", path, i),
                            json_str_or(item, "expression", ""), env, CEL_BOOL);
        if (str_empty(json_string_value(name)))
            field_required(e, AT("%s[%zu].name", path, i), NULL);
        else
            validate_value(e, name, AT("%s[%zu].name", path, i), validate_label_key);
        for (size_t k = 0; k < i; k++)
            if (json_equal(json_object_get(json_array_get(list, k), "name"), name)) {
                field_duplicate(e, AT("%s[%zu].name", path, i), name);
                break;
            }
    }
}

/* --- what a policy matches --- */

static void validate_match_rules(struct field_errors *e, const json_t *match, const char *key,
                                 const char *path)
{
    const json_t *rule;
    size_t i;

    json_array_foreach (json_object_get(match, key), i, rule)
        validate_webhook_rule(e, rule, AT("%s.%s[%zu]", path, key, i));
}

static void validate_match(struct field_errors *e, const json_t *match, const char *path)
{
    validate_label_selector(e, json_object_get(match, "namespaceSelector"),
                            AT("%s.namespaceSelector", path));
    validate_label_selector(e, json_object_get(match, "objectSelector"),
                            AT("%s.objectSelector", path));
    validate_match_rules(e, match, "resourceRules", path);
    validate_match_rules(e, match, "excludeResourceRules", path);
}

/* --- a policy --- */

static bool policy_is_identifier(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] ==
           '\0';
}

static void validate_variables(struct field_errors *e, const json_t *list, struct policy_env *env)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        const char *name = json_str_or(item, "name", "");
        const char *text = json_str_or(item, "expression", "");
        cleanup(freep) char *wrong = NULL;

        if (name[0] == '\0')
            field_required(e, AT("spec.variables[%zu].name", i), "name is not specified");
        else if (!policy_is_identifier(name))
            field_invalid_str(e, AT("spec.variables[%zu].name", i), name,
                              "name is not a valid CEL identifier");
        if (policy_is_blank(text)) {
            field_required(e, AT("spec.variables[%zu].expression", i),
                           "expression is not specified");
            continue;
        }
        policy_env_add(env, name, text, &wrong);
        if (wrong != NULL)
            field_invalid_str(e, AT("spec.variables[%zu].expression", i), text, "%s", wrong);
    }
}

static void validate_validation(struct field_errors *e, const json_t *v, const struct cel_env *env,
                                const char *path)
{
    static const char *const reasons[] = { "Forbidden", "Invalid", "RequestEntityTooLarge",
                                           "Unauthorized", NULL };
    const char *words = json_str_or(v, "messageExpression", "");
    const char *message = json_str_or(v, "message", "");
    const char *text = json_str_or(v, "expression", "");

    if (policy_is_blank(text))
        field_required(e, AT("%s.expression", path), "expression is not specified");
    else
        validate_expression(e, AT("%s.expression", path), text, env, CEL_BOOL);
    if (words[0] != '\0')
        validate_expression(e, AT("%s.messageExpression", path), words, env, CEL_STRING);
    if (strchr(message, '\n') != NULL)
        field_invalid_str(e, AT("%s.message", path), message,
                          "message must not contain line breaks");
    else if (strchr(text, '\n') != NULL && message[0] == '\0')
        field_required(e, AT("%s.message", path),
                       "message must be specified if expression contains line breaks");
    validate_one_of(e, v, "reason", path, reasons);
}

static void validate_notes(struct field_errors *e, const json_t *list, const struct cel_env *env)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) > POLICY_NOTES_MAX)
        field_too_many(e, "spec.auditAnnotations", (int)json_array_size(list), POLICY_NOTES_MAX);
    json_array_foreach (list, i, item) {
        if (str_empty(json_str(item, "key")))
            field_required(e, AT("spec.auditAnnotations[%zu].key", i), NULL);
        else
            validate_value(e, json_object_get(item, "key"), AT("spec.auditAnnotations[%zu].key", i),
                           validate_label_key);
        validate_expression(e, AT("spec.auditAnnotations[%zu].valueExpression", i),
                            json_str_or(item, "valueExpression", ""), env, CEL_STRING);
    }
}

static void validate_param_kind(struct field_errors *e, const json_t *kind)
{
    if (kind == NULL)
        return;
    if (str_empty(json_str(kind, "apiVersion")))
        field_required(e, "spec.paramKind.apiVersion", NULL);
    if (str_empty(json_str(kind, "kind")))
        field_required(e, "spec.paramKind.kind", NULL);
}

static void validate_policy(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *match = json_object_get(spec, "matchConstraints");
    const json_t *rules = json_object_get(spec, "validations"), *item;
    const json_t *notes = json_object_get(spec, "auditAnnotations");
    struct policy_env *env = policy_env_new(json_at(spec, "paramKind") != NULL);
    size_t i;

    validate_param_kind(e, json_object_get(spec, "paramKind"));
    if (match == NULL)
        field_required(e, "spec.matchConstraints", NULL);
    else if (json_array_size(json_object_get(match, "resourceRules")) == 0)
        field_required(e, "spec.matchConstraints.resourceRules", NULL);
    validate_match(e, match, "spec.matchConstraints");
    validate_variables(e, json_object_get(spec, "variables"), env);
    validate_conditions(e, json_object_get(spec, "matchConditions"), policy_env_cel(env),
                        "spec.matchConditions");
    if (json_array_size(rules) == 0 && json_array_size(notes) == 0)
        field_required(e, "spec.validations", "validations or auditAnnotations must be specified");
    json_array_foreach (rules, i, item)
        validate_validation(e, item, policy_env_cel(env), AT("spec.validations[%zu]", i));
    validate_notes(e, notes, policy_env_cel(env));
    policy_env_free(env);
}

/* --- a binding --- */

static void validate_param_ref(struct field_errors *e, const json_t *ref)
{
    bool named = !str_empty(json_str(ref, "name"));
    bool selects = json_object_get(ref, "selector") != NULL;

    if (ref == NULL)
        return;
    if (named == selects)
        field_required(e, "spec.paramRef", "exactly one of name or selector must be specified");
    if (str_empty(json_str(ref, "parameterNotFoundAction")))
        field_required(e, "spec.paramRef.parameterNotFoundAction", NULL);
    validate_label_selector(e, json_object_get(ref, "selector"), "spec.paramRef.selector");
}

static void validate_binding(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *actions = json_object_get(spec, "validationActions");

    if (str_empty(json_str(spec, "policyName")))
        field_required(e, "spec.policyName", NULL);
    validate_param_ref(e, json_object_get(spec, "paramRef"));
    validate_match(e, json_object_get(spec, "matchResources"), "spec.matchResources");
    if (json_array_size(actions) == 0)
        field_required(e, "spec.validationActions", NULL);
    if (json_has_str(actions, "Deny") && json_has_str(actions, "Warn"))
        field_invalid(e, "spec.validationActions", actions,
                      "must not contain both Deny and Warn (repeating the same validation failure "
                      "information in the API response and headers serves no purpose)");
}

const struct validate_kind validate_kinds_policy[] = {
    { .bucket = POLICY_BUCKET, .always = validate_policy },
    { .bucket = POLICY_BINDING_BUCKET, .always = validate_binding },
    { 0 },
};
