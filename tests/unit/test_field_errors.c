/* layer: api */
#include "api/field_errors.h"
#include "base/mem.h"
#include "tests/lib/test.h"

static void check_text(const struct field_errors *e, const char *want)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    field_errors_text(e, &t);
    CHECK_STR(text_str(&t), want);
}

TEST(field_errors, say_what_kubernetes_says)
{
    static const char *const allowed[] = { "TCP", "SCTP", "UDP", NULL };
    cleanup(field_errors_fini) struct field_errors e = FIELD_ERRORS_EMPTY;
    cleanup(json_decrefpp) json_t *text = json_string("a\"b\n");
    cleanup(json_decrefpp) json_t *number = json_integer(-1);
    cleanup(json_decrefpp) json_t *map = json_pack("{ssss}", "b", "2", "a", "1");

    check_text(&e, "");
    field_required(&e, "spec.x", NULL);
    check_text(&e, "spec.x: Required value");
    field_required(&e, "spec.y", "must be there");
    field_invalid(&e, "n", number, "must be greater than or equal to %d", 0);
    field_invalid(&e, "t", text, "bad");
    field_invalid(&e, "m", map, "bad");
    field_invalid(&e, "z", NULL, "bad");
    field_not_supported(&e, "p", text, allowed);
    field_forbidden(&e, "f", "no");
    field_duplicate(&e, "d", number);
    field_not_found(&e, "g", number);
    field_too_long(&e, "l", 63);
    field_too_many(&e, "k", 12, 10);
    check_text(&e,
               "[spec.x: Required value, spec.y: Required value: must be there, "
               "n: Invalid value: -1: must be greater than or equal to 0, "
               "t: Invalid value: \"a\\\"b\\n\": bad, "
               "m: Invalid value: map[string]string{\"a\":\"1\", \"b\":\"2\"}: bad, "
               "z: Invalid value: \"null\": bad, "
               "p: Unsupported value: \"a\\\"b\\n\": supported values: \"TCP\", \"SCTP\", \"UDP\", "
               "f: Forbidden: no, d: Duplicate value: -1, g: Not found: -1, "
               "l: Too long: may not be more than 63 bytes, "
               "k: Too many: 12: must have at most 10 items]");
    CHECK_INT(json_array_size(e.causes), 12);
    CHECK_STR(json_str(json_array_get(e.causes, 0), "reason"), "FieldValueRequired");
    CHECK_STR(json_str(json_array_get(e.causes, 1), "message"), "Required value: must be there");
    CHECK_STR(json_str(json_array_get(e.causes, 1), "field"), "spec.y");
}

TEST(field_errors, say_a_thing_once_and_stop_somewhere)
{
    cleanup(field_errors_fini) struct field_errors e = FIELD_ERRORS_EMPTY;

    for (int i = 0; i < 3; i++)
        field_required(&e, "a", NULL);
    CHECK_INT(e.n, 1);
    for (int i = 0; i < 500; i++) {
        cleanup(freep) char *path = mem_fmt("x[%d]", i);

        field_required(&e, path, NULL);
    }
    CHECK_INT(e.n, 100);
}

TEST(field_errors, show_selectors_as_go_does)
{
    cleanup(json_decrefpp) json_t *s = json_pack(
        "{s{ss}s[{sssss[s]}{ssss}]}", "matchLabels", "a", "b", "matchExpressions", "key", "k",
        "operator", "In", "values", "v", "key", "l", "operator", "Exists");
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    field_errors_go_selector(&t, s);
    CHECK_STR(
        text_str(&t),
        "v1.LabelSelector{MatchLabels:map[string]string{\"a\":\"b\"}, MatchExpressions:"
        "[]v1.LabelSelectorRequirement{v1.LabelSelectorRequirement{Key:\"k\", Operator:\"In\", "
        "Values:[]string{\"v\"}}, v1.LabelSelectorRequirement{Key:\"l\", "
        "Operator:\"Exists\", Values:[]string(nil)}}}");
}
