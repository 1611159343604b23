#include "api/validate_impl.h"

#include "api/csr.h"
#include "base/bits.h"
#include "base/mem.h"

#include <string.h>

/* Go shows bytes one by one; of a large request the beginning must do. */
#define VALIDATE_CSR_BYTES_MAX 4096
#define VALIDATE_CSR_NAME_MAX  571

static const char *validate_signer(const char *s)
{
    const char *slash = strchr(s, '/');

    if (slash == NULL || slash == s || slash[1] == '\0')
        return "must be a fully qualified domain and path of the form "
               "'example.com/signer-name'";
    return strlen(s) > VALIDATE_CSR_NAME_MAX ? "must be no more than 571 bytes" : NULL;
}

/* []byte{0x2d, 0x2d} */
static void validate_go_bytes(struct text *ret, const char *base64)
{
    cleanup(text_fini) struct text bytes = TEXT_EMPTY;
    size_t bad;

    bits_unbase64(&bytes, base64, strlen(base64), &bad);
    text_puts(ret, "[]byte{");
    for (size_t i = 0; i < bytes.len && i < VALIDATE_CSR_BYTES_MAX; i++)
        text_fmt(ret, "%s0x%x", i > 0 ? ", " : "", (unsigned char)bytes.data[i]);
    text_puts(ret, "}");
}

static void validate_pem(struct field_errors *e, const json_t *tree)
{
    cleanup(tls_csr_fini) struct tls_csr csr = TLS_CSR_EMPTY;
    cleanup(text_fini) struct text printed = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (csr_read(&csr, tree, &err) == 0)
        return;
    validate_go_bytes(&printed, json_str_or(tree, "spec.request", ""));
    field_invalid_printed(e, "spec.request", text_str(&printed), err.text);
}

static void validate_usages(struct field_errors *e, const json_t *usages)
{
    size_t i, k;
    json_t *a, *b;

    if (json_array_size(usages) == 0)
        field_required(e, "spec.usages", NULL);
    json_array_foreach (usages, i, a) {
        json_array_foreach (usages, k, b) {
            if (k >= i)
                break;
            if (json_equal(a, b)) {
                field_duplicate(e, AT("spec.usages[%zu]", i), a);
                break;
            }
        }
    }
}

static bool validate_has_before(const json_t *conditions, size_t end, const char *type)
{
    for (size_t i = 0; i < end; i++)
        if (str_eq(json_str(json_array_get(conditions, i), "type"), type))
            return true;
    return false;
}

static void validate_csr_condition(struct field_errors *e, const json_t *conditions, size_t i)
{
    static const char *const any[] = { "False", "True", "Unknown", NULL };
    static const char *const only_true[] = { "True", NULL };
    const json_t *c = json_array_get(conditions, i);
    const json_t *type = json_object_get(c, "type");
    const char *t = json_str_or(c, "type", ""), *status = json_str_or(c, "status", "");
    bool decides = str_eq(t, "Approved") || str_eq(t, "Denied") || str_eq(t, "Failed");

    if (t[0] == '\0')
        field_required(e, AT("status.conditions[%zu].type", i), NULL);
    if (status[0] == '\0')
        field_required(e, AT("status.conditions[%zu].status", i), NULL);
    else if (decides && !str_eq(status, "True"))
        field_not_supported(e, AT("status.conditions[%zu].status", i), json_object_get(c, "status"),
                            only_true);
    else if (!str_eq(status, any[0]) && !str_eq(status, any[1]) && !str_eq(status, any[2]))
        field_not_supported(e, AT("status.conditions[%zu].status", i), json_object_get(c, "status"),
                            any);
    if (t[0] != '\0' && validate_has_before(conditions, i, t))
        field_duplicate(e, AT("status.conditions[%zu].type", i), type);
    if ((str_eq(t, "Denied") && validate_has_before(conditions, i, "Approved")) ||
        (str_eq(t, "Approved") && validate_has_before(conditions, i, "Denied")))
        field_invalid(e, AT("status.conditions[%zu].type", i), type,
                      "Approved and Denied conditions are mutually exclusive");
}

static void validate_request(struct field_errors *e, const json_t *tree)
{
    const json_t *spec = json_object_get(tree, "spec");
    const json_t *seconds = json_object_get(spec, "expirationSeconds");

    if (!str_empty(json_str(spec, "request")))
        validate_pem(e, tree);
    validate_usages(e, json_object_get(spec, "usages"));
    if (str_eq(json_str(spec, "signerName"), CSR_LEGACY))
        field_invalid(e, "spec.signerName", json_object_get(spec, "signerName"),
                      "the legacy signerName is not allowed via this API version");
    else
        validate_text(e, spec, "signerName", "spec", validate_signer);
    if (json_is_integer(seconds) && json_integer_value(seconds) < 600)
        field_invalid(e, "spec.expirationSeconds", seconds,
                      "may not specify a duration less than 600 seconds (10 minutes)");
}

static void validate_certificate(struct field_errors *e, const char *base64)
{
    cleanup(text_fini) struct text pem = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    const char *why = NULL;
    int64_t ignored;
    size_t bad;

    if (!bits_unbase64(&pem, base64, strlen(base64), &bad) ||
        strstr(text_str(&pem), "-----BEGIN CERTIFICATE-----") == NULL)
        why = "must contain at least one CERTIFICATE PEM block";
    else if (tls_cert_expiry(&ignored, text_str(&pem), &err) < 0)
        why = err.text;
    if (why != NULL)
        field_invalid_str(e, "status.certificate", "<certificate data>", "%s", why);
}

/* What was decided stays, and a certificate that was given is not changed. */
static void validate_request_status(struct field_errors *e, const json_t *tree, const json_t *old)
{
    static const char *const types[] = { "Approved", "Denied", "Failed" };
    const json_t *now = json_at(tree, "status.conditions");
    const json_t *before = json_at(old, "status.conditions");
    const char *certificate = json_str_or(tree, "status.certificate", "");
    const char *given = json_str_or(old, "status.certificate", "");

    for (size_t i = 0; i < json_array_size(now); i++)
        validate_csr_condition(e, now, i);
    for (size_t i = 0; i < N_ELEMENTS(types); i++)
        if (json_find(before, "type", types[i]) != NULL && json_find(now, "type", types[i]) == NULL)
            field_forbidden(e, "status.conditions",
                            AT("updates may not remove a condition of type \"%s\"", types[i]));
    if (certificate[0] != '\0')
        validate_certificate(e, certificate);
    if (given[0] != '\0' && !str_eq(certificate, given))
        field_forbidden(e, "status.certificate",
                        "updates may not modify existing certificate content");
}

const struct validate_kind validate_kinds_csr[] = {
    { .bucket = CSR_BUCKET,
      .name = validate_any_name,
      .always = validate_request,
      .status = validate_request_status },
    { .bucket = NULL },
};
