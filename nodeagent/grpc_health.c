#include "nodeagent/grpc_health.h"

#include "base/bits.h"
#include "base/mem.h"

#include <string.h>

#define GRPC_PREFIX        5
#define GRPC_SERVICE_FIELD 0x0a /* field 1, length-delimited */
#define GRPC_STATUS_FIELD  0x08 /* field 1, varint */
#define GRPC_UNIMPLEMENTED 12
#define GRPC_SERVING       1
#define GRPC_DEADLINE      4

static const char *const grpc_codes[] = {
    "OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated",
};

static const char *const grpc_servings[] = { "UNKNOWN", "SERVING", "NOT_SERVING",
                                             "SERVICE_UNKNOWN" };

static void grpc_varint(struct text *t, size_t n)
{
    for (; n >= 0x80; n >>= 7)
        text_putc(t, (char)((n & 0x7f) | 0x80));
    text_putc(t, (char)n);
}

void grpc_health_request(struct text *ret, const char *service)
{
    cleanup(text_fini) struct text message = TEXT_EMPTY;
    size_t len = strlen(service);

    if (len > 0) {
        text_putc(&message, GRPC_SERVICE_FIELD);
        grpc_varint(&message, len);
        text_add(&message, service, len);
    }
    text_putc(ret, 0); /* not compressed */
    for (int shift = 24; shift >= 0; shift -= 8)
        text_putc(ret, (char)(message.len >> shift & 0xff));
    text_add(ret, text_str(&message), message.len);
}

/* The status field of a HealthCheckResponse, 0 when it is left out; -1: not one. */
static int64_t grpc_serving(const unsigned char *p, size_t len)
{
    uint64_t n = 0;
    size_t size;

    if (len < GRPC_PREFIX || p[0] != 0)
        return -1;
    size = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    p += GRPC_PREFIX;
    if (size != len - GRPC_PREFIX)
        return -1;
    if (size == 0)
        return 0;
    if (p[0] != GRPC_STATUS_FIELD)
        return -1;
    for (size_t i = 1; i < size && i <= 9; i++) {
        n |= (uint64_t)(p[i] & 0x7f) << (7 * (i - 1));
        if (!(p[i] & 0x80))
            return n > INT32_MAX ? -1 : (int64_t)n;
    }
    return -1;
}

/* grpc-message is percent-encoded; the escapes are left as they are. */
static int grpc_failed(const struct http_head *head, int64_t code, struct err *err)
{
    const char *message = http_head_get(head, "grpc-message");
    const char *name = code >= 0 && code < (int64_t)N_ELEMENTS(grpc_codes) ? grpc_codes[code]
                                                                           : NULL;

    if (message == NULL)
        message = "";
    if (code == GRPC_UNIMPLEMENTED)
        return err_set(err, ERR_PROTOCOL,
                       "error: this server does not implement the grpc health protocol "
                       "(grpc.health.v1.Health): %s",
                       message);
    if (code == GRPC_DEADLINE)
        return err_set(err, ERR_PROTOCOL, "timeout: health rpc did not complete: %s", message);
    if (name == NULL)
        return err_set(err, ERR_PROTOCOL,
                       "error: health rpc probe failed: rpc error: code = Code(%lld) desc = %s",
                       (long long)code, message);
    return err_set(err, ERR_PROTOCOL,
                   "error: health rpc probe failed: rpc error: code = %s desc = %s", name, message);
}

int grpc_health_verdict(const struct http_head *head, const void *body, size_t len, struct err *err)
{
    const char *status = http_head_get(head, "grpc-status");
    int64_t code, serving;

    if (head->status != 200 || status == NULL || !str_i64(status, &code))
        return err_set(
            err, ERR_PROTOCOL,
            "error: health rpc probe failed: rpc error: code = Unknown desc = unexpected "
            "HTTP status code received from server: %d",
            head->status);
    if (code != 0)
        return grpc_failed(head, code, err);
    serving = grpc_serving(body, len);
    if (serving < 0)
        return err_set(
            err, ERR_PROTOCOL,
            "error: health rpc probe failed: rpc error: code = Internal desc = the answer "
            "is no HealthCheckResponse");
    if (serving == GRPC_SERVING)
        return 0;
    if (serving < (int64_t)N_ELEMENTS(grpc_servings))
        return err_set(err, ERR_PROTOCOL, "service unhealthy (responded with \"%s\")",
                       grpc_servings[serving]);
    return err_set(err, ERR_PROTOCOL, "service unhealthy (responded with \"%lld\")",
                   (long long)serving);
}
