/* layer: base */
#include "base/mem.h"
#include "base/spdy.h"
#include "tests/lib/test.h"

#include <string.h>

/* "type stream[ fin][ name=value]...[ :data];" for each frame; "!" at an error. */
static char *spdy_read(const void *bytes, size_t len, size_t step)
{
    struct spdy_parser *p = spdy_parser_new();
    const unsigned char *data = bytes;
    struct text out = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    size_t used;

    for (size_t at = 0; at < len; at += used) {
        struct spdy_frame f;
        int rc = spdy_parse(p, data + at, len - at < step ? len - at : step, &used, &f, &err);

        if (rc < 0) {
            text_putc(&out, '!');
            break;
        }
        if (rc == 0)
            continue;
        text_fmt(&out, "%d %u%s", (int)f.type, f.stream, f.fin ? " fin" : "");
        for (size_t i = 0; i < f.n_headers; i++)
            text_fmt(&out, " %s=%s", f.headers[i].name, f.headers[i].value);
        if (f.type == SPDY_DATA)
            text_fmt(&out, " :%.*s", (int)f.len, (const char *)f.data);
        text_putc(&out, ';');
    }
    spdy_parser_free(p);
    return text_take(&out);
}

TEST(spdy, what_is_written_is_read_in_any_pieces)
{
    const struct spdy_header first[] = { { "streamtype", "stdin" }, { "port", "80" } };
    const struct spdy_header second[] = { { "streamtype", "error" } };
    struct spdy_printer *printer = spdy_printer_new();
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    spdy_print_headers(printer, &t, SPDY_SYN_STREAM, 1, false, first, 2);
    spdy_print_headers(printer, &t, SPDY_SYN_STREAM, 3, true, second, 1);
    spdy_print_headers(printer, &t, SPDY_SYN_REPLY, 1, false, NULL, 0);
    spdy_print_ping(&t, 7);
    spdy_print_reset(&t, 3, SPDY_RESET_REFUSED);
    spdy_print_goaway(&t, 3);
    for (size_t step = 1; step < 1000; step *= 3) {
        cleanup(freep) char *got = spdy_read(t.data, t.len, step);

        CHECK_STR(got, "1 1 streamtype=stdin port=80;1 3 fin streamtype=error;2 1;6 7;3 3;7 3;");
    }
    spdy_printer_free(printer);
}

TEST(spdy, reads_what_kubectl_wrote)
{
    /* kubectl 1.32, exec: streamtype=error, then streamtype=stdin on stream 3 */
    static const char bytes[] =
        "\200\3\0\1\0\0\0)\0\0\0\1\0\0\0\0\0\0x\371\343\306\247\302b```"
        "\4\247\263\222\242\324\304\\hQ"
        "\302\232\n\nh\0\0\0\0\377\377"
        "\200\3\0\1\0\0\0\27\0\0\0\3\0\0\0\0\0\0\302.U\\\222\222\231\7\0\0\0\377\377";
    cleanup(freep) char *got = spdy_read(bytes, sizeof(bytes) - 1, 4096);

    CHECK_STR(got, "1 1 streamtype=error;1 3 streamtype=stdin;");
}

TEST(spdy, data_is_handed_on_as_it_comes)
{
    unsigned char head[SPDY_HEAD];
    cleanup(text_fini) struct text bytes = TEXT_EMPTY;
    cleanup(freep) char *whole = NULL, *cut = NULL;

    spdy_data_head(head, 5, true, 6);
    text_add(&bytes, (const char *)head, sizeof(head));
    text_puts(&bytes, "abcdef");
    whole = spdy_read(bytes.data, bytes.len, 100);
    cut = spdy_read(bytes.data, bytes.len, 5);
    CHECK_STR(whole, "0 5 fin :abcdef;");
    CHECK_STR(cut, "0 5 :ab;0 5 fin :cdef;");
}

TEST(spdy, what_is_too_long_or_wrong_is_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
    } wrong[] = {
        { "\200\2\0\1\0\0\0\0", 8 },                           /* version 2 */
        { "\200\3\0\5\0\0\0\0", 8 },                           /* no such type */
        { "\200\3\0\1\0\377\377\377", 8 },                     /* too long */
        { "\200\3\0\6\0\0\0\2\0\0", 10 },                      /* too short */
        { "\200\3\0\1\0\0\0\16\0\0\0\1\0\0\0\0\0\0abcd", 22 }, /* not zlib */
    };

    for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
        cleanup(freep) char *got = spdy_read(wrong[i].bytes, wrong[i].len, 4096);

        CHECK_STR(got, "!");
    }
}

TEST(spdy, headers_are_limited_after_they_are_inflated)
{
    cleanup(freep) char *value = mem_zero(SPDY_HEADERS_MAX + 1);
    const struct spdy_header headers[] = { { "x", value } };
    struct spdy_printer *printer = spdy_printer_new();
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(freep) char *got = NULL;

    memset(value, 'a', SPDY_HEADERS_MAX);
    spdy_print_headers(printer, &t, SPDY_SYN_STREAM, 1, false, headers, 1);
    CHECK(t.len < 1000);
    got = spdy_read(t.data, t.len, 4096);
    CHECK_STR(got, "!");
    spdy_printer_free(printer);
}
