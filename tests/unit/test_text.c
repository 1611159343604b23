/* layer: base */
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

TEST(text, grows_and_stays_terminated)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    CHECK_STR(text_str(&t), "");
    for (int i = 0; i < 1000; i++)
        text_fmt(&t, "%d,", i);
    CHECK_INT(t.len, 3890);
    CHECK(t.data[t.len] == '\0');
    CHECK(str_starts(t.data, "0,1,2,"));
    CHECK(str_ends(t.data, ",998,999,"));
}

TEST(text, formats_more_than_it_has_room_for)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    char big[5000];

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    text_puts(&t, "<");
    text_fmt(&t, "%s>", big);
    CHECK_INT(t.len, 5001);
    CHECK(t.data[5000] == '>');
}

TEST(text, drops_from_the_front_and_keeps_nul_bytes)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    text_drop(&t, 0);
    text_add(&t, "ab\0cd", 5);
    text_drop(&t, 2);
    CHECK_INT(t.len, 3);
    CHECK(memcmp(t.data, "\0cd", 4) == 0);
    text_drop(&t, 3);
    CHECK_STR(text_str(&t), "");
}

TEST(text, take_moves_and_never_gives_null)
{
    struct text t = TEXT_EMPTY;
    cleanup(freep) char *empty = text_take(&t);
    cleanup(freep) char *full = NULL;

    CHECK_STR(empty, "");
    text_puts(&t, "a");
    text_putc(&t, 'b');
    full = text_take(&t);
    CHECK_STR(full, "ab");
    CHECK(t.data == NULL && t.len == 0);
}

TEST(text, compares_with_null)
{
    CHECK(str_eq(NULL, NULL) && !str_eq(NULL, "") && !str_eq("", NULL) && str_eq("a", "a"));
    CHECK(str_empty(NULL) && str_empty("") && !str_empty(" "));
    CHECK(str_ends("abc", "") && str_ends("abc", "abc") && !str_ends("bc", "abc"));
}

TEST(text, numbers_are_strict)
{
    static const char *const bad[] = { "",   "-",   "+1",  " 1",
                                       "1 ", "0x1", "1e3", "18446744073709551616" };
    uint64_t u = 7;
    int64_t i = 7;

    for (size_t n = 0; n < N_ELEMENTS(bad); n++) {
        CHECK(!str_u64(bad[n], &u) && u == 7);
        CHECK(!str_i64(bad[n], &i) && i == 7);
    }
    CHECK(!str_u64(NULL, &u) && !str_u64("-1", &u));
    CHECK(str_u64("18446744073709551615", &u) && u == UINT64_MAX);
    CHECK(str_i64("-9223372036854775808", &i) && i == INT64_MIN);
    CHECK(!str_i64("-9223372036854775809", &i) && !str_i64("9223372036854775808", &i));
    CHECK(str_i64("9223372036854775807", &i) && i == INT64_MAX);
}

TEST(text, split_keeps_empty_middles)
{
    static const struct {
        const char *text;
        const char *parts[5];
    } rows[] = {
        { "", { NULL } },
        { "a", { "a", NULL } },
        { "a,,b", { "a", "", "b", NULL } },
        { ",a,", { "", "a", "", NULL } },
    };

    for (size_t n = 0; n < N_ELEMENTS(rows); n++) {
        cleanup(strv_freep) char **v = str_split(rows[n].text, ',');

        for (size_t i = 0;; i++) {
            CHECK_STR(v[i], rows[n].parts[i]);
            if (!v[i])
                break;
        }
    }
}
