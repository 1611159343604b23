/* layer: base */
#include "base/mem.h"
#include "base/websocket.h"
#include "tests/lib/test.h"

#include <string.h>

/* Everything that @bytes hold, as "op:payload" per piece; "!" at an error. */
static char *websocket_read(const void *bytes, size_t len, bool is_client, size_t step)
{
    struct websocket_parser p = { .is_client = is_client };
    struct text out = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    cleanup(freep) unsigned char *copy = mem_dup(bytes, len);
    size_t at = 0;

    while (at < len) {
        size_t n = len - at < step ? len - at : step, used;
        struct websocket_piece piece;
        int rc = websocket_parse(&p, copy + at, n, &used, &piece, &err);

        at += used;
        if (rc < 0) {
            text_putc(&out, '!');
            break;
        }
        if (rc == 1)
            text_fmt(&out, "%s%d:%.*s%s", piece.first ? "<" : "", (int)piece.op, (int)piece.len,
                     (const char *)piece.data, piece.last ? ">" : "");
    }
    return text_take(&out);
}

static void websocket_expect(const char *bytes, size_t len, bool is_client, const char *what)
{
    cleanup(freep) char *got = websocket_read(bytes, len, is_client, 4096);

    CHECK_STR(got, what);
}

TEST(websocket, accept_is_that_of_the_rfc)
{
    char accept[WEBSOCKET_ACCEPT_MAX];

    websocket_accept(accept, "dGhlIHNhbXBsZSBub25jZQ==");
    CHECK_STR(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(websocket, reads_the_examples_of_the_rfc)
{
    /* RFC 6455 section 5.7 */
    websocket_expect("\x81\x05Hello", 7, true, "<1:Hello>");
    websocket_expect("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, false, "<1:Hello>");
    websocket_expect("\x01\x03Hel\x80\x02lo", 9, true, "<1:Hel1:lo>");
    websocket_expect("\x89\x05Hello", 7, true, "<9:Hello>");
}

TEST(websocket, control_frames_may_stand_inside_a_message)
{
    websocket_expect("\x02\x01"
                     "a"
                     "\x89\x01p\x80\x01"
                     "b",
                     9, true, "<2:a<9:p>2:b>");
}

TEST(websocket, what_is_against_the_rules_is_refused)
{
    websocket_expect("\x81\x05Hello", 7, false, "!"); /* not masked */
    websocket_expect("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, true, "!");
    websocket_expect("\xc1\x00", 2, true, "!");         /* reserved bit */
    websocket_expect("\x83\x00", 2, true, "!");         /* reserved kind */
    websocket_expect("\x09\x00", 2, true, "!");         /* a ping in parts */
    websocket_expect("\x89\x7e\x00\x7e", 4, true, "!"); /* a long ping */
    websocket_expect("\x80\x00", 2, true, "!");         /* goes on with nothing */
    websocket_expect("\x01\x01"
                     "a\x01\x01"
                     "b",
                     6, true, "<1:a!"); /* two at a time */
    websocket_expect("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, true, "!");
}

TEST(websocket, what_is_written_is_read_in_any_pieces)
{
    static const unsigned char mask[4] = { 1, 2, 3, 4 };
    static const size_t lengths[] = { 0, 1, 125, 126, 65535, 65536 };

    for (size_t i = 0; i < N_ELEMENTS(lengths); i++) {
        for (size_t step = 1; step < 70000; step *= 7) {
            struct websocket_parser p = { .is_client = false };
            struct err err = ERR_EMPTY;
            unsigned char head[WEBSOCKET_HEAD_MAX];
            size_t n = websocket_head(head, WEBSOCKET_BINARY, true, lengths[i], mask);
            size_t all = n + lengths[i], sum = 0, used;
            cleanup(freep) unsigned char *bytes = mem_zero(all);
            bool last = false;

            memcpy(bytes, head, n);
            memset(bytes + n, 'x', lengths[i]);
            websocket_mask(bytes + n, lengths[i], mask, 0);
            for (size_t at = 0; at < all; at += used) {
                struct websocket_piece piece;
                int rc = websocket_parse(&p, bytes + at, all - at < step ? all - at : step, &used,
                                         &piece, &err);

                CHECK(rc >= 0);
                for (size_t k = 0; rc == 1 && k < piece.len; k++)
                    CHECK_INT(piece.data[k], 'x');
                sum += rc == 1 ? piece.len : 0;
                last = last || (rc == 1 && piece.last);
            }
            CHECK_INT(sum, lengths[i]);
            CHECK(last);
        }
    }
}
