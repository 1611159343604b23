/* layer: api */
#include "api/selector.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>

static json_t *tree_of(const char *text)
{
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    if (json_parse(&tree, text, strlen(text), NULL, &err) < 0)
        CHECK_STR(err.text, "");
    return tree;
}

static bool matches(const char *selector, const char *labels)
{
    cleanup(selector_freep) struct selector *s = NULL;
    cleanup(json_decrefpp) json_t *map = tree_of(labels);
    cleanup(json_decrefpp) json_t *tree = tree_of("{\"metadata\":{\"name\":\"a\"}}");
    cleanup(object_unrefp) struct object *o = NULL;
    struct err err = ERR_EMPTY;
    bool by_object;

    if (selector_parse(&s, selector, &err) < 0)
        CHECK_STR(err.text, "");
    json_put(tree, "metadata.labels", json_incref(map));
    o = object_new("pods", 1, tree);
    by_object = selector_matches(s, o);
    CHECK(by_object == selector_matches_labels(s, map));
    return by_object;
}

TEST(selector, matches_labels_as_kubernetes_does)
{
    const char *web = "{\"app\":\"web\",\"tier\":\"front\",\"n\":\"5\"}";

    CHECK(matches("", web));
    CHECK(matches("app=web", web));
    CHECK(matches("app==web,tier=front", web));
    CHECK(!matches("app=web,tier=back", web));
    CHECK(matches("app!=db", web));
    CHECK(matches("zone!=a", web));
    CHECK(matches("app in (db, web)", web));
    CHECK(!matches("app notin (db,web)", web));
    CHECK(matches("zone notin (a)", web));
    CHECK(matches("app", web));
    CHECK(!matches("zone", web));
    CHECK(matches("!zone", web));
    CHECK(!matches("!app", web));
    CHECK(matches("n>4,n<6", web));
    CHECK(!matches("n>5", web));
    CHECK(matches("in=in,notin in (notin)", "{\"in\":\"in\",\"notin\":\"notin\"}"));
    CHECK(matches("a=", "{\"a\":\"\"}"));
    CHECK(matches("a in (,b)", "{\"a\":\"\"}"));
    CHECK(!matches("a", "{}"));
}

TEST(selector, prints_canonical_text)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "b=1,a=2", "a=2,b=1" }, { " x  in ( c , b,b ) ", "x in (b,c)" },
        { "!z , y", "y,!z" },     { "a==1,b!=2,c notin (d)", "a==1,b!=2,c notin (d)" },
        { "a>1,b<2", "a>1,b<2" }, { "example.com/role=x", "example.com/role=x" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        cleanup(selector_freep) struct selector *s = NULL;
        cleanup(text_fini) struct text t = TEXT_EMPTY;
        struct err err = ERR_EMPTY;

        CHECK(selector_parse(&s, cases[i].in, &err) == 0);
        selector_print(s, &t);
        CHECK_STR(text_str(&t), cases[i].out);
    }
}

TEST(selector, complains_in_kubernetes_words)
{
    static const struct {
        const char *in, *error;
    } cases[] = {
        { "a in b", "unable to parse requirement: found 'b', expected: '('" },
        { "a=b c", "found 'c', expected: ',' or 'end of string'" },
        { "a,", "found '', expected: identifier after ','" },
        { ",a", "found ',', expected: !, identifier, or 'end of string'" },
        { "a in ()", "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' "
                     "operators, values set can't be empty" },
        { "!", "unable to parse requirement: found '', expected: identifier" },
        { "a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt" },
        { "a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' "
                 "operators, the value must be an integer" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct selector *s = NULL;
        struct err err = ERR_EMPTY;

        CHECK_INT(selector_parse(&s, cases[i].in, &err), ERR_BAD_REQUEST);
        CHECK_STR(err.text, cases[i].error);
    }
}

TEST(selector, reads_label_selectors_and_maps)
{
    cleanup(json_decrefpp) json_t *ls = tree_of(
        "{\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":[{\"key\":\"tier\","
        "\"operator\":\"NotIn\",\"values\":[\"z\",\"b\"]},{\"key\":\"k\",\"operator\":"
        "\"Exists\"}]}");
    cleanup(json_decrefpp) json_t *yes = tree_of("{\"app\":\"web\",\"k\":\"\"}");
    cleanup(json_decrefpp) json_t *no = tree_of("{\"app\":\"web\",\"k\":\"\",\"tier\":\"b\"}");
    cleanup(json_decrefpp)
        json_t *bad = tree_of("{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Has\"}]}");
    cleanup(json_decrefpp) json_t *empty = json_object();
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct selector *s = NULL;
    struct err err = ERR_EMPTY;

    CHECK(selector_from_json(&s, ls, &err) == 0);
    CHECK(selector_matches_labels(s, yes));
    CHECK(!selector_matches_labels(s, no));
    selector_print(s, &t);
    CHECK_STR(text_str(&t), "app=web,k,tier notin (b,z)");
    s = selector_free(s);
    CHECK(selector_from_json(&s, NULL, &err) == 0);
    CHECK(!selector_matches_labels(s, yes) && !selector_is_everything(s));
    s = selector_free(s);
    CHECK(selector_from_json(&s, empty, &err) == 0);
    CHECK(selector_matches_labels(s, yes) && selector_is_everything(s));
    s = selector_free(s);
    CHECK_INT(selector_from_json(&s, bad, &err), ERR_BAD_REQUEST);
    CHECK_STR(err.text, "\"Has\" is not a valid label selector operator");
    s = selector_from_map(empty);
    CHECK(!selector_matches_labels(s, yes));
    s = selector_free(s);
    s = selector_from_map(yes);
    CHECK(selector_matches_labels(s, no));
    s = selector_free(s);
    CHECK(selector_matches_labels(NULL, yes) && selector_is_everything(NULL));
}

static bool field_matches(const char *bucket, const char *text, const char *tree)
{
    struct field_selector *s = NULL;
    cleanup(json_decrefpp) json_t *t = tree_of(tree);
    struct object *o = object_new(bucket, 1, t);
    struct err err = ERR_EMPTY;
    bool yes;

    if (field_selector_parse(&s, bucket, text, &err) < 0)
        CHECK_STR(err.text, "");
    yes = field_selector_matches(s, o);
    field_selector_free(s);
    object_unref(o);
    return yes;
}

TEST(selector, matches_fields_from_index_and_tree)
{
    const char *pod = "{\"metadata\":{\"name\":\"a\",\"namespace\":\"d\"},\"spec\":{\"nodeName\":"
                      "\"n1\",\"restartPolicy\":\"Never\"},\"status\":{\"phase\":\"Running\"}}";

    CHECK(field_matches("pods", "", pod));
    CHECK(field_matches("pods", "metadata.name=a,metadata.namespace==d", pod));
    CHECK(field_matches("pods", "spec.nodeName=n1,status.phase!=Succeeded", pod));
    CHECK(field_matches("pods", "spec.restartPolicy=Never,spec.hostNetwork=false", pod));
    CHECK(!field_matches("pods", "spec.restartPolicy!=Never", pod));
    CHECK(field_matches("pods", "status.podIP=", pod));
    CHECK(field_matches("nodes", "spec.unschedulable=true",
                        "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"unschedulable\":true}}"));
    CHECK(field_matches("jobs.batch", "status.successful=2",
                        "{\"metadata\":{\"name\":\"n\"},\"status\":{\"succeeded\":2}}"));
    CHECK(field_matches("events", "involvedObject.name=p,involvedObject.namespace=,type=Normal",
                        "{\"metadata\":{\"name\":\"n\"},\"involvedObject\":{\"name\":\"p\"},"
                        "\"type\":\"Normal\"}"));
    CHECK(field_matches("pods", "metadata.name=a\\,b", "{\"metadata\":{\"name\":\"a,b\"}}"));
}

TEST(selector, knows_which_fields_a_kind_has)
{
    struct field_selector *s = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(field_selector_parse(&s, "pods", "spec.foo=1", &err), ERR_BAD_REQUEST);
    CHECK_STR(err.text, "field label not supported: spec.foo");
    CHECK_INT(field_selector_parse(&s, "configmaps", "data=1", &err), ERR_BAD_REQUEST);
    CHECK_STR(err.text, "\"data\" is not a known field selector: only \"metadata.name\", "
                        "\"metadata.namespace\"");
    CHECK_INT(field_selector_parse(&s, "pods", "metadata.name", &err), ERR_BAD_REQUEST);
    CHECK_STR(err.text, "invalid selector: 'metadata.name'; can't understand 'metadata.name'");
    CHECK_INT(field_selector_parse(&s, "pods", "metadata.name=a\\b", &err), ERR_BAD_REQUEST);
    CHECK(field_selector_parse(&s, "pods", "metadata.name=x,spec.nodeName!=y", &err) == 0);
    CHECK_STR(field_selector_exact(s, "metadata.name"), "x");
    CHECK(field_selector_exact(s, "spec.nodeName") == NULL);
    field_selector_free(s);
}
