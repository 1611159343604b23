/* layer: base */
#include "base/http_args.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

static void args_read_as(const char *query, const char *want)
{
    cleanup(text_fini) struct text have = TEXT_EMPTY;
    struct http_args args;

    http_args_init(&args, query);
    for (size_t i = 0; i < args.n; i++)
        text_fmt(&have, "[%s=%s]", args.list[i].key, args.list[i].value);
    CHECK_STR(text_str(&have), want);
    http_args_fini(&args);
}

TEST(http_args, keeps_order_repeats_and_empties)
{
    args_read_as("a=1&b=2&a=3", "[a=1][b=2][a=3]");
    args_read_as("flag&empty=&=nameless", "[flag=][empty=][=nameless]");
    args_read_as("eq=a=b", "[eq=a=b]");
    args_read_as("", "");
    args_read_as(NULL, "");
    args_read_as("&&", "");
}

TEST(http_args, decodes_once)
{
    args_read_as("labelSelector=app%3Dweb%2Ctier+in+%28a%29",
                 "[labelSelector=app=web,tier in (a)]");
    args_read_as("a=%2525&%6b=%C3%a4", "[a=%25][k=ä]");
}

TEST(http_args, leaves_out_what_is_malformed)
{
    args_read_as("a=%&b=%2&c=%zz&d=%00x&e=1;f=2&g=ok", "[g=ok]");
}

TEST(http_args, stops_at_its_limit)
{
    cleanup(text_fini) struct text query = TEXT_EMPTY;
    struct http_args args;

    for (int i = 0; i < 2 * HTTP_ARGS_MAX; i++)
        text_fmt(&query, "k%d=v&", i);
    http_args_init(&args, text_str(&query));
    CHECK_INT(args.n, HTTP_ARGS_MAX);
    CHECK(http_args_get(&args, "k0") != NULL);
    CHECK(http_args_get(&args, "k5000") == NULL);
    http_args_fini(&args);
}

/* Python's client writes "True". */
TEST(http_args, flags_are_kubernetes_booleans)
{
    CHECK(http_args_flag("true") && http_args_flag("True") && http_args_flag("1"));
    CHECK(http_args_flag("") && http_args_flag("yes"));
    CHECK(!http_args_flag(NULL) && !http_args_flag("false") && !http_args_flag("False"));
    CHECK(!http_args_flag("0"));
}
