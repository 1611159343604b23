/* layer: base */
#include "base/json.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>

static json_t *parse(const char *s)
{
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;
    int rc = json_parse(&tree, s, strlen(s), NULL, &err);

    if (rc < 0)
        print_error("%s: %s\n", s, err.text);
    CHECK_INT(rc, 0);
    return tree;
}

static void check_prints(const char *in, const char *out)
{
    cleanup(json_decrefpp) json_t *tree = parse(in);
    size_t len;
    cleanup(freep) char *printed = json_print(tree, &len);

    CHECK_STR(printed, out);
    CHECK_INT(len, strlen(out));
}

TEST(json, values_survive_a_round)
{
    static const char *const same[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "\"\"",
        "[]",
        "{}",
        "[1,[2,{\"b\":3,\"a\":[]}],\"x\"]",
        "{\"z\":1,\"a\":{\"y\":null}}",
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "\"a\\\"b\\\\c\\n\\u0001\"",
        "0.1",
        "-2.5e-09",
        "1e+21",
        "1e+100",
        "123456.789",
        "1.7976931348623157e+308",
    };

    for (size_t i = 0; i < N_ELEMENTS(same); i++)
        check_prints(same[i], same[i]);
    check_prints(" [ 1 , 2 ] \n", "[1,2]");
    check_prints("{ \"a\" : { } }", "{\"a\":{}}");
}

TEST(json, numbers_print_as_go_prints_them)
{
    check_prints("1.0", "1");
    check_prints("1e3", "1000");
    check_prints("100.50", "100.5");
    check_prints("1E-6", "0.000001");
    check_prints("0.0000001", "1e-07");
    check_prints("18446744073709551615", "18446744073709552000");
    check_prints("-0.0", "0");
    check_prints("0.25", "0.25");
    check_prints("0.025", "0.025");
    check_prints("1e20", "100000000000000000000");
    check_prints("-12.5", "-12.5");
    check_prints("0.30000000000000004", "0.30000000000000004");
}

TEST(json, integers_beyond_64_bits_are_reals)
{
    cleanup(json_decrefpp) json_t *tree = parse("[9223372036854775807,9223372036854775808,1.5]");

    CHECK(json_is_integer(json_array_get(tree, 0)));
    CHECK(json_is_real(json_array_get(tree, 1)));
    CHECK(json_is_real(json_array_get(tree, 2)));
}

TEST(json, escapes_are_decoded)
{
    check_prints("\"\\u0041\\/\\b\\f\\r\\t\"", "\"A/\\b\\f\\r\\t\"");
    check_prints("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
    check_prints("\"\\u00e4\\u20ac\"", "\"\xc3\xa4\xe2\x82\xac\"");
}

TEST(json, what_is_no_utf8_becomes_the_replacement_character)
{
    check_prints("\"\\ud800\"", "\"\xef\xbf\xbd\"");
    check_prints("\"\\ud800\\u0041\"", "\"\xef\xbf\xbd"
                                       "A\"");
    check_prints("\"\\udc00x\"", "\"\xef\xbf\xbdx\"");
    check_prints("\"a\xff\"", "\"a\xef\xbf\xbd\"");
    check_prints("\"\xc0\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    check_prints("\"\xed\xa0\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    check_prints("\"\xf4\x90\x80\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(json, errors_tell_what_and_where)
{
    static const struct {
        const char *in, *error;
    } rows[] = {
        { "", "unexpected end of JSON input (line 1, column 1)" },
        { "{", "unexpected end of JSON input (line 1, column 2)" },
        { "{\"a\":1", "unexpected end of JSON input (line 1, column 7)" },
        { "\"abc", "unexpected end of JSON input (line 1, column 5)" },
        { "}", "invalid character '}' looking for beginning of value (line 1, column 1)" },
        { "[1,]", "invalid character ']' looking for beginning of value (line 1, column 4)" },
        { "{\"a\":1,}",
          "invalid character '}' looking for beginning of object key string (line 1, column 8)" },
        { "{\"a\" 1}", "invalid character '1' after object key (line 1, column 6)" },
        { "{\"a\":1 \"b\"}",
          "invalid character '\"' after object key:value pair (line 1, column 8)" },
        { "[1 2]", "invalid character '2' after array element (line 1, column 4)" },
        { "{\n \"a\": x}",
          "invalid character 'x' looking for beginning of value (line 2, column 7)" },
        { "tru!", "invalid character '!' in literal true (line 1, column 4)" },
        { "1 2", "invalid character '2' after top-level value (line 1, column 3)" },
        { "01", "invalid character '1' after top-level value (line 1, column 2)" },
        { "-x", "invalid character 'x' in numeric literal (line 1, column 2)" },
        { "1.", "unexpected end of JSON input (line 1, column 3)" },
        { "1.e",
          "invalid character 'e' after decimal point in numeric literal (line 1, column 3)" },
        { "1e+", "unexpected end of JSON input (line 1, column 4)" },
        { "1e400", "number is out of range (line 1, column 1)" },
        { "\"a\nb\"", "invalid character '\\n' in string literal (line 1, column 3)" },
        { "\"\\x\"", "invalid character 'x' in string escape code (line 1, column 3)" },
        { "\"\\u00g0\"",
          "invalid character 'g' in \\u hexadecimal character escape (line 1, column 6)" },
        { "{\"a\\u0000b\":1}", "object key holds a NUL character (line 1, column 12)" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct err err = ERR_EMPTY;
        json_t *tree = NULL;

        CHECK_INT(json_parse(&tree, rows[i].in, strlen(rows[i].in), NULL, &err), ERR_BAD_REQUEST);
        CHECK_STR(err.text, rows[i].error);
        CHECK(tree == NULL);
    }
}

TEST(json, a_nul_byte_is_no_end)
{
    static const char bytes[] = "{}\0{}";
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    CHECK_INT(json_parse(&tree, bytes, 5, NULL, &err), ERR_BAD_REQUEST);
    CHECK_STR(err.text, "invalid character '\\x00' after top-level value (line 1, column 3)");
    check_prints("\"a\\u0000b\"", "\"a\\u0000b\"");
}

TEST(json, depth_and_number_of_containers_are_bounded)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    for (int i = 0; i < JSON_MAX_DEPTH_OURS; i++)
        text_putc(&t, '[');
    for (int i = 0; i < JSON_MAX_DEPTH_OURS; i++)
        text_putc(&t, ']');
    CHECK_INT(json_parse(&tree, t.data, t.len, NULL, &err), 0);
    json_decref(tree);
    t.data[t.len - JSON_MAX_DEPTH_OURS] = '[';
    CHECK_INT(json_parse(&tree, t.data, t.len, NULL, &err), ERR_BAD_REQUEST);
    CHECK(str_starts(err.text, "exceeded max depth"));

    text_clear(&t);
    text_puts(&t, "[0");
    for (int i = 0; i < 150000; i++)
        text_puts(&t, ",[]");
    text_puts(&t, "]");
    CHECK_INT(json_parse(&tree, t.data, t.len, NULL, &err), ERR_BAD_REQUEST);
    CHECK(str_starts(err.text, "too many objects and arrays"));
}

TEST(json, duplicates_are_named_with_their_paths)
{
    static const char in[] = "{\"spec\":{\"replicas\":1,\"containers\":[{\"name\":\"a\"},"
                             "{\"name\":\"b\",\"name\":\"c\",\"name\":\"d\"}],\"replicas\":2},"
                             "\"spec\":{\"x\":1},\"m\":[[{\"k\":0,\"k\":1}]]}";
    cleanup(json_decrefpp) json_t *dups = json_array();
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(freep) char *printed = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(json_parse(&tree, in, strlen(in), dups, &err), 0);
    printed = json_print(dups, NULL);
    CHECK_STR(printed, "[\"spec.containers[1].name\",\"spec.replicas\",\"spec\",\"m[0][0].k\"]");
    CHECK_INT(json_int(tree, "spec.x", 0), 1);
    CHECK(json_at(tree, "spec.replicas") == NULL);
}

TEST(json, sorted_print_is_the_same_for_equal_trees)
{
    cleanup(json_decrefpp) json_t *a = parse("{\"b\":[{\"y\":1,\"x\":2}],\"a\":1,\"ab\":0}");
    cleanup(json_decrefpp) json_t *b = parse("{\"ab\":0,\"a\":1,\"b\":[{\"x\":2,\"y\":1}]}");
    cleanup(freep) char *as = json_print_sorted(a, NULL);
    cleanup(freep) char *bs = json_print_sorted(b, NULL);

    CHECK_STR(as, "{\"a\":1,\"ab\":0,\"b\":[{\"x\":2,\"y\":1}]}");
    CHECK_STR(bs, as);
}

TEST(json, pretty_print_is_indented)
{
    cleanup(json_decrefpp) json_t *tree = parse("{\"b\":[1,{\"x\":[]}],\"a\":{}}");
    cleanup(freep) char *s = json_print_pretty(tree);

    CHECK_STR(s, "{\n  \"b\": [\n    1,\n    {\n      \"x\": []\n    }\n  ],\n  \"a\": {}\n}");
}

TEST(json, paths_read_and_write)
{
    cleanup(json_decrefpp)
        json_t *tree = parse("{\"a\":{\"b\":\"s\",\"n\":null,\"i\":7,\"t\":true}}");
    cleanup(freep) char *printed = NULL;

    CHECK_STR(json_str(tree, "a.b"), "s");
    CHECK(json_str(tree, "a.i") == NULL);
    CHECK(json_str(NULL, "a") == NULL);
    CHECK_STR(json_str_or(tree, "a.x", "-"), "-");
    CHECK(json_at(tree, "a.n") == NULL && json_at(tree, "a.b.c") == NULL);
    CHECK(json_at(tree, "a.") == NULL);
    CHECK_INT(json_int(tree, "a.i", 1), 7);
    CHECK_INT(json_int(tree, "a.b", 1), 1);
    CHECK(json_bool(tree, "a.t", false) && !json_bool(tree, "a.i", false));

    json_put_str(tree, "x.y.z", "v");
    json_put_int(tree, "a.b", 1);
    json_put_bool(tree, "a.i.deep", true);
    json_del(tree, "a.n");
    json_del(tree, "a.t.none");
    json_del(tree, "none.none");
    json_put_str(tree, "top", "\xff");
    printed = json_print(tree, NULL);
    CHECK_STR(printed, "{\"a\":{\"b\":1,\"i\":{\"deep\":true},\"t\":true},"
                       "\"x\":{\"y\":{\"z\":\"v\"}},\"top\":\"(not UTF-8)\"}");
}

TEST(json, find_looks_up_by_key)
{
    cleanup(json_decrefpp) json_t *list = parse("[{\"name\":\"a\"},{},{\"name\":\"b\",\"v\":1}]");

    CHECK_INT(json_int(json_find(list, "name", "b"), "v", 0), 1);
    CHECK(json_find(list, "name", "c") == NULL);
    CHECK(json_find(NULL, "name", "c") == NULL);
}

/* Strings are read and written eight bytes at a time: each odd byte at each place among plain ones. */
TEST(json, odd_bytes_are_found_at_every_place)
{
    static const char *const odd[] = { "\"", "\\", "\n", "\x01", "\x1f", "\x7f", " ", "\xc3\xa9" };

    for (size_t i = 0; i < N_ELEMENTS(odd); i++)
        for (int before = 0; before < 18; before++) {
            static const char plain[] = "aZ~0aZ~0aZ~0aZ~0aZ";
            cleanup(freep) char *s = mem_fmt("%.*s%s%s", before, plain, odd[i], plain + before);
            cleanup(json_decrefpp) json_t *tree = json_pack("{s:s}", s, s), *back = NULL;
            cleanup(freep) char *text = json_print(tree, NULL);
            struct err err = ERR_EMPTY;
            bool bare = strlen(text) == 2 * strlen(s) + strlen("{'':''}");

            CHECK_INT(bare, i >= 5);
            CHECK_INT(json_parse(&back, text, strlen(text), NULL, &err), 0);
            CHECK(json_equal(tree, back));
        }
}
