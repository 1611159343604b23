/* layer: base */
#include "base/err.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

TEST(err, message_grows_outward)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(err_set(&err, ERR_IO, "disk %d", 7), ERR_IO);
    CHECK_INT(err_wrap(&err, ERR_CORRUPT, "load %s", "pods"), ERR_CORRUPT);
    CHECK_STR(err.text, "load pods: disk 7");
    CHECK_INT(err.code, ERR_CORRUPT);
}

TEST(err, wrapping_nothing_adds_no_colon)
{
    struct err err = ERR_EMPTY;

    err_wrap(&err, ERR_IO, "alone");
    CHECK_STR(err.text, "alone");
}

TEST(err, long_messages_are_cut)
{
    struct err err = ERR_EMPTY;
    char big[3000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    err_set(&err, ERR_IO, "%s", big);
    CHECK_INT(strlen(err.text), sizeof(err.text) - 1);
    err_wrap(&err, ERR_IO, "%s", big);
    err_wrap(&err, ERR_IO, "short");
    CHECK_INT(strlen(err.text), sizeof(err.text) - 1);
    CHECK(strncmp(err.text, "short: xxx", 10) == 0);
    err_errno(&err, ENOENT, "%s", big);
    CHECK_INT(strlen(err.text), sizeof(err.text) - 1);
}

TEST(err, errno_and_libuv_codes_map_alike)
{
    static const struct {
        int errnum, code;
    } rows[] = {
        { ENOENT, ERR_NOT_FOUND },
        { UV_ENOENT, ERR_NOT_FOUND },
        { ENOSPC, ERR_NOSPACE },
        { ECONNREFUSED, ERR_UNAVAILABLE },
        { UV_ECONNREFUSED, ERR_UNAVAILABLE },
        { ETIMEDOUT, ERR_TIMEOUT },
        { EACCES, ERR_IO },
        { UV_EOF, ERR_IO },
        { UV_ECANCELED, ERR_CANCELED },
    };
    struct err err = ERR_EMPTY;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        CHECK_INT(err_errno(&err, rows[i].errnum, "open"), rows[i].code);
    err_errno(&err, ENOENT, "open %s", "x");
    CHECK_STR(err.text, "open x: No such file or directory");
    err_errno(&err, UV_EOF, "read");
    CHECK_STR(err.text, "read: end of file");
}

TEST(err, codes_have_status_and_reason)
{
    CHECK_INT(err_http(ERR_NOT_FOUND), 404);
    CHECK_STR(err_reason(ERR_CONFLICT), "Conflict");
    CHECK_STR(err_text(ERR_EXPIRED), "too old");
    CHECK_INT(err_http(ERR_CANCELED), 500);
    CHECK_INT(err_http(-1), 500);
    CHECK_INT(err_http(0), 200);
}
