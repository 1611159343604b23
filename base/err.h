/* err: one closed list of error codes and one message that grows outward.
 *
 * Functions that can fail return 0 or a negative ERR_*, and take `struct err *`
 * last.  The err lives on the caller's stack; reporting never allocates.
 * Positive return values are documented outcomes of one module, set no message
 * and are never passed on.  Thread: any (a struct err is never shared).
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/* clang-format off */
/*    code                 text                    HTTP  Status reason of Kubernetes */
#define ERR_CODES(X)                                                              \
    X(ERR_BAD_REQUEST,     "bad request",            400, "BadRequest")            \
    X(ERR_UNAUTHORIZED,    "unauthorized",           401, "Unauthorized")          \
    X(ERR_FORBIDDEN,       "forbidden",              403, "Forbidden")             \
    X(ERR_NOT_FOUND,       "not found",              404, "NotFound")              \
    X(ERR_METHOD,          "method not allowed",     405, "MethodNotAllowed")      \
    X(ERR_NOT_ACCEPTABLE,  "not acceptable",         406, "NotAcceptable")         \
    X(ERR_EXISTS,          "already exists",         409, "AlreadyExists")         \
    X(ERR_CONFLICT,        "changed by someone else", 409, "Conflict")             \
    X(ERR_EXPIRED,         "too old",                410, "Expired")               \
    X(ERR_LIMIT,           "too large",              413, "RequestEntityTooLarge") \
    X(ERR_UNSUPPORTED,     "unsupported media type", 415, "UnsupportedMediaType")  \
    X(ERR_INVALID,         "invalid",                422, "Invalid")               \
    X(ERR_BUSY,            "too many requests",      429, "TooManyRequests")       \
    X(ERR_INTERNAL,        "internal error",         500, "InternalError")         \
    X(ERR_IO,              "input/output error",     500, "InternalError")         \
    X(ERR_CORRUPT,         "corrupt data",           500, "InternalError")         \
    X(ERR_PROTOCOL,        "protocol error",         502, "InternalError")         \
    X(ERR_UNAVAILABLE,     "unavailable",            503, "ServiceUnavailable")    \
    X(ERR_NOSPACE,         "no space left",          507, "InternalError")         \
    X(ERR_TIMEOUT,         "timed out",              504, "Timeout")               \
    X(ERR_CANCELED,        "canceled",               500, "InternalError")
/* clang-format on */

enum err_code {
    ERR_NONE = 0,
    ERR_BASE_ = -1000,
#define ERR_ENUM_(code, text, http, reason) code,
    ERR_CODES(ERR_ENUM_)
#undef ERR_ENUM_
};

struct err {
    int code;        /* 0 or ERR_* */
    char text[1024]; /* complete sentence without full stop; cut, never overrun */
};

/* An empty error, for declaration: `struct err err = ERR_EMPTY;` */
/* clang-format off */
#define ERR_EMPTY { .code = 0, .text = "" }
/* clang-format on */

/* Starts a message.  Returns @code, so that `return err_set(...)` reads well. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "fmt: " before what @err already says.  Returns @code, which replaces the code. */
int err_wrap(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Starts a message from an errno value (positive) or a libuv code (negative):
 * "fmt: strerror".  ENOENT becomes ERR_NOT_FOUND, ENOSPC and EDQUOT ERR_NOSPACE,
 * ETIMEDOUT ERR_TIMEOUT, ECONNREFUSED & co. ERR_UNAVAILABLE, the rest ERR_IO. */
int err_errno(struct err *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

const char *err_text(int code);   /* "not found" */
int err_http(int code);           /* 404 */
const char *err_reason(int code); /* "NotFound" */

#endif
