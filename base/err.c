#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

static const struct err_row {
    const char *text;
    int http;
    const char *reason;
} err_rows[] = {
#define ERR_ROW_(code, text, http, reason) [code - ERR_BASE_ - 1] = { text, http, reason },
    ERR_CODES(ERR_ROW_)
#undef ERR_ROW_
};

static const struct err_row *err_row(int code)
{
    int i = code - ERR_BASE_ - 1;

    if (i < 0 || i >= (int)(sizeof(err_rows) / sizeof(err_rows[0])))
        i = ERR_INTERNAL - ERR_BASE_ - 1;
    return &err_rows[i];
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list ap;

    assert(code < 0);
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    err->code = code;
    return code;
}

int err_wrap(struct err *err, int code, const char *fmt, ...)
{
    char inner[sizeof(err->text)];
    va_list ap;
    size_t len;

    assert(code < 0);
    memcpy(inner, err->text, sizeof(inner));
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    len = strlen(err->text);
    if (inner[0])
        snprintf(err->text + len, sizeof(err->text) - len, ": %s", inner);
    err->code = code;
    return code;
}

/* libuv's codes are negated errno values on Linux, except its own UV_EOF and UV_EAI_*. */
static int err_code_of(int errnum)
{
    static const struct {
        int errnum, code;
    } rows[] = {
        { ENOENT, ERR_NOT_FOUND },         { ENOSPC, ERR_NOSPACE },
        { EDQUOT, ERR_NOSPACE },           { ETIMEDOUT, ERR_TIMEOUT },
        { ECONNREFUSED, ERR_UNAVAILABLE }, { ECONNRESET, ERR_UNAVAILABLE },
        { ECONNABORTED, ERR_UNAVAILABLE }, { EPIPE, ERR_UNAVAILABLE },
        { ENETUNREACH, ERR_UNAVAILABLE },  { EHOSTUNREACH, ERR_UNAVAILABLE },
        { ENETDOWN, ERR_UNAVAILABLE },     { EHOSTDOWN, ERR_UNAVAILABLE },
        { ECANCELED, ERR_CANCELED },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].errnum == errnum)
            return rows[i].code;
    return ERR_IO;
}

int err_errno(struct err *err, int errnum, const char *fmt, ...)
{
    char reason[128];
    va_list ap;
    size_t len;

    if (errnum < 0)
        uv_strerror_r(errnum, reason, sizeof(reason));
    else
        snprintf(reason, sizeof(reason), "%s",
                 strerrordesc_np(errnum) ? strerrordesc_np(errnum) : "unknown error");
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %s", reason);
    err->code = err_code_of(errnum < 0 ? -errnum : errnum);
    return err->code;
}

const char *err_text(int code)
{
    return code == 0 ? "no error" : err_row(code)->text;
}

int err_http(int code)
{
    return code == 0 ? 200 : err_row(code)->http;
}

const char *err_reason(int code)
{
    return code == 0 ? "" : err_row(code)->reason;
}
