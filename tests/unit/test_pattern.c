/* layer: base */
#include "base/mem.h"
#include "base/pattern.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>

static bool matches(const char *pattern, const char *text)
{
    cleanup(pattern_freep) struct pattern *p = NULL;
    struct err err = ERR_EMPTY;

    if (pattern_new(&p, pattern, &err) < 0)
        test_failed(err.text, pattern, 0);
    return pattern_matches(p, text);
}

static const char *refusal(const char *pattern)
{
    static char text[512];
    struct pattern *p = NULL;
    struct err err = ERR_EMPTY;

    if (pattern_new(&p, pattern, &err) == 0) {
        pattern_free(p);
        return "accepted";
    }
    snprintf(text, sizeof(text), "%.500s", err.text);
    return text;
}

TEST(pattern, finds_a_match_anywhere_unless_anchored)
{
    static const struct {
        const char *pattern, *text;
        bool yes;
    } rows[] = {
        { "b", "abc", true },
        { "^b", "abc", false },
        { "^a.c$", "abc", true },
        { "^a.c$", "a\nc", false },
        { "(?s)^a.c$", "a\nc", true },
        { "(?i)^ABC$", "aBc", true },
        { "^(?:a|bc)+$", "abcabc", true },
        { "^(?:a|bc)+$", "abcab", false },
        { "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "web-1", true },
        { "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "web-", false },
        { "^\\d{1,3}(\\.\\d{1,3}){3}$", "10.0.0.1", true },
        { "^\\d{1,3}(\\.\\d{1,3}){3}$", "10.0.0", false },
        { "^x{2,}$", "xxx", true },
        { "^x{2,}$", "x", false },
        { "^x{0,2}$", "", true },
        { "^x{0,2}$", "xxx", false },
        { "^x{0}$", "", true },
        { "^x{3}$", "xxx", true },
        { "^x{,3}$", "x{,3}", true },
        { "^[^a-c]$", "d", true },
        { "^[^a-c]$", "b", false },
        { "^[]a]$", "]", true },
        { "^[a\\-z]$", "-", true },
        { "^[[:alpha:]]+$", "abC", true },
        { "^[\\w-]+$", "a-b_9", true },
        { "^\\S+\\s\\S+$", "a b", true },
        { "\\bcat\\b", "a cat!", true },
        { "\\bcat\\b", "concat", false },
        { "^\\x41\\x{42}$", "AB", true },
        { "^.$", "\xc3\xa9", true }, /* one character of two bytes */
        { "^a*?b+?$", "aab", true },
        { "^(a*)*$", "aaaa", true },
        { "^(|a)+$", "aa", true },
        { "^$", "", true },
        { "", "anything", true },
        { "a|b|c|d", "zzd", true },
        { "^(?P<name>a)$", "a", true },
        { "^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?)$", "1h30m",
          true },
        { "^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?)$", "1x",
          false },
        { "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]"
          "+"
          "(\\.[0-9]*)?)|(\\.[0-9]+))))?$",
          "128Mi", true },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (matches(rows[i].pattern, rows[i].text) != rows[i].yes)
            test_failed(rows[i].pattern, rows[i].text, (int)i);
}

TEST(pattern, refuses_in_the_words_of_go)
{
    CHECK_STR(refusal("a["), "error parsing regexp: missing closing ]: `[`");
    CHECK_STR(refusal("(a"), "error parsing regexp: missing closing ): `(a`");
    CHECK_STR(refusal("a)"), "error parsing regexp: unexpected ): `a)`");
    CHECK_STR(refusal("*a"), "error parsing regexp: missing argument to repetition operator: `*a`");
    CHECK_STR(refusal("a**"), "error parsing regexp: invalid nested repetition operator: `**`");
    CHECK_STR(refusal("x{1001}"), "error parsing regexp: invalid repeat count: `{1001}`");
    CHECK_STR(refusal("x{99999999999999999999}"),
              "error parsing regexp: invalid repeat count: `{99999999999999999999}`");
    CHECK_STR(refusal("[z-a]"), "error parsing regexp: invalid character class range: `z-a]`");
    CHECK_STR(refusal("(?=a)"),
              "error parsing regexp: invalid or unsupported Perl syntax: `(?=a)`");
    CHECK_STR(refusal("a\\"), "error parsing regexp: trailing backslash at end of expression: ``");
}

TEST(pattern, does_not_grow_without_bound)
{
    CHECK(str_starts(refusal("((a{1000}){1000}){1000}"),
                     "error parsing regexp: expression too large"));
}

TEST(pattern, takes_no_longer_for_what_makes_others_backtrack)
{
    char text[3001];

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    CHECK(!matches("^(a+)+b$", text));
}
