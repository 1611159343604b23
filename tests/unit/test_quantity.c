/* layer: api */
#include "api/quantity.h"
#include "base/mem.h"
#include "tests/lib/test.h"

static const char *canonical(const char *s)
{
    static char out[QUANTITY_TEXT_MAX];
    struct quantity q;

    CHECK(quantity_parse(s, &q));
    quantity_print(out, q);
    return out;
}

TEST(quantity, prints_its_canonical_form)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "0", "0" },       { "1", "1" },         { "0.5", "500m" },     { "1.5", "1500m" },
        { "250m", "250m" }, { "1000m", "1" },     { "1000", "1k" },      { "1500", "1500" },
        { "1e3", "1e3" },   { "1E3", "1e3" },     { "12e6", "12e6" },    { "1500e-3", "1500e-3" },
        { "64Mi", "64Mi" }, { "1024Mi", "1Gi" },  { "1.5Gi", "1536Mi" }, { "512Ki", "512Ki" },
        { "1023", "1023" }, { "0.5Ki", "512" },   { "1.5Ki", "1536" },   { "-64Mi", "-64Mi" },
        { "+3", "3" },      { ".5", "500m" },     { "5.", "5" },         { "1E", "1E" },
        { "100n", "100n" }, { "0.1n", "1n" },     { "1u", "1u" },        { "3G", "3G" },
        { "0Ki", "0" },     { "-0.5m", "-500u" }, { "00012", "12" },     { "0.1Ki", "102400m" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        CHECK_STR(canonical(cases[i].in), cases[i].out);
}

TEST(quantity, refuses_what_kubernetes_refuses)
{
    static const char *const bad[] = { "",    ".",     "abc",  "1 ",   " 1",  "1K",
                                       "1mi", "1.2.3", "--1",  "1e",   "1e+", "1e1x",
                                       "Ki",  "1,5",   "0x10", "1KiB", "1.e", "+" };

    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        struct quantity q;

        if (quantity_parse(bad[i], &q))
            CHECK_STR(bad[i], "(refused)");
    }
    CHECK_INT(quantity_text_value(NULL, -1), -1);
    CHECK_INT(quantity_text_milli("x", 7), 7);
}

TEST(quantity, rounds_up_and_saturates)
{
    CHECK_INT(quantity_text_value("1m", 0), 1);
    CHECK_INT(quantity_text_value("1001m", 0), 2);
    CHECK_INT(quantity_text_value("-1001m", 0), -2);
    CHECK_INT(quantity_text_milli("1u", 0), 1);
    CHECK_INT(quantity_text_milli("0.1", 0), 100);
    CHECK_INT(quantity_text_value("1Gi", 0), 1073741824);
    CHECK_INT(quantity_text_value("8Ei", 0), INT64_MAX);
    CHECK_INT(quantity_text_value("1e30", 0), INT64_MAX);
    CHECK_INT(quantity_text_value("99999999999999999999999999999999999999999999", 0), INT64_MAX);
    CHECK_INT(quantity_text_value("1e-40", 0), 1);
    CHECK_INT(quantity_text_value("1e999999999999", 0), INT64_MAX);
    CHECK_INT(quantity_text_value("9223372036854775807", 0), INT64_MAX);
    CHECK_INT(quantity_text_value("9223372036854775806", 0), INT64_MAX - 1);
    CHECK_INT(quantity_text_value("0.00000000000000000000000000000000000000000000000001", 0), 1);
    CHECK_INT(quantity_text_value("0000000000000000000000000000000000000000000000000012", 0), 12);
}

TEST(quantity, adds_compares_and_keeps_the_format)
{
    struct quantity a, b;
    char out[QUANTITY_TEXT_MAX];

    CHECK(quantity_parse("1Gi", &a) && quantity_parse("1024Mi", &b));
    CHECK_INT(quantity_cmp(a, b), 0);
    quantity_print(out, quantity_add(a, b));
    CHECK_STR(out, "2Gi");
    quantity_print(out, quantity_sub(a, b));
    CHECK_STR(out, "0");
    CHECK(quantity_parse("0", &a));
    quantity_print(out, quantity_add(a, b));
    CHECK_STR(out, "1Gi");
    CHECK(quantity_parse("250m", &a) && quantity_parse("0.75", &b));
    CHECK_INT(quantity_cmp(a, b), -1);
    quantity_print(out, quantity_add(a, b));
    CHECK_STR(out, "1");
}
