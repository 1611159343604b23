/* layer: api */
#include "api/patch.h"
#include "api/patch_diff.h"
#include "base/mem.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

/* Trees are written with ' for " to be readable; NULL stays NULL. */
static void check_tree(const json_t *have, const char *want)
{
    cleanup(json_decrefpp) json_t *tree = quoted(want);
    cleanup(freep) char *a = json_print_sorted(have, NULL);
    cleanup(freep) char *b = json_print_sorted(tree, NULL);

    CHECK_STR(a, b);
}

struct diff_case {
    const char *type; /* NULL: merge patch */
    const char *last, *want, *live;
    const char *patch;
    const char *after; /* live with the patch applied; NULL: not looked at */
};

/* The patch is the expected one, and nothing is left to do once it was applied. */
static void check_diff(const struct diff_case *c)
{
    const struct schema_type *type = c->type != NULL ? schema_type(c->type) : NULL;
    cleanup(json_decrefpp) json_t *last = quoted(c->last);
    cleanup(json_decrefpp) json_t *want = quoted(c->want);
    cleanup(json_decrefpp) json_t *live = quoted(c->live);
    cleanup(json_decrefpp) json_t *patch = NULL;
    cleanup(json_decrefpp) json_t *after = NULL;
    cleanup(json_decrefpp) json_t *again = NULL;
    struct err err = ERR_EMPTY;

    CHECK(c->type == NULL || type != NULL);
    CHECK_INT(patch_diff(&patch, last, want, live, type, &err), 0);
    check_tree(patch, c->patch);
    if (type != NULL ? patch_strategic(&after, live, patch, type, &err) < 0
                     : patch_merge(&after, live, patch, &err) < 0)
        CHECK_STR(err.text, "");
    if (c->after != NULL)
        check_tree(after, c->after);
    CHECK_INT(patch_diff(&again, want, want, after, type, &err), 0);
    check_tree(again, "{}");
}

TEST(patch_diff, sets_what_differs_and_removes_what_was_applied_before)
{
    static const struct diff_case cases[] = {
        { "core/v1.ConfigMap", NULL, "{'data':{'a':'1'}}", "{'data':{'a':'1'},'kind':'x'}", "{}",
          NULL },
        { "core/v1.ConfigMap", NULL, "{'data':{'a':'2'}}", "{'data':{'a':'1','z':'9'}}",
          "{'data':{'a':'2'}}", "{'data':{'a':'2','z':'9'}}" },
        { "core/v1.ConfigMap", "{'data':{'a':'1','b':'2'}}", "{'data':{'a':'1'}}",
          "{'data':{'a':'1','b':'2','z':'9'}}", "{'data':{'b':null}}",
          "{'data':{'a':'1','z':'9'}}" },
        { "core/v1.ConfigMap", "{'data':{'b':'2'}}", "{}", "{'data':{'b':'2'}}", "{'data':null}",
          "{}" },
        { "core/v1.ConfigMap", "{'data':{'b':'2'}}", "{}", "{}", "{}", "{}" },
        { "core/v1.ConfigMap", NULL, "{'data':null,'immutable':null}", "{'immutable':true}",
          "{'immutable':null}", "{}" },
        { NULL, "{'spec':{'l':[1],'x':1}}", "{'spec':{'l':[1,2]}}",
          "{'spec':{'l':[1],'x':1,'y':2}}", "{'spec':{'l':[1,2],'x':null}}",
          "{'spec':{'l':[1,2],'y':2}}" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        check_diff(&cases[i]);
}

TEST(patch_diff, lists_with_keys_change_item_by_item)
{
    static const struct diff_case cases[] = {
        /* what the server filled in is no difference */
        { "core/v1.PodSpec", NULL, "{'containers':[{'name':'a','image':'x'}]}",
          "{'containers':[{'name':'a','image':'x','imagePullPolicy':'Always'}]}", "{}", NULL },
        { "core/v1.PodSpec", NULL, "{'containers':[{'name':'a','image':'y'}]}",
          "{'containers':[{'name':'a','image':'x','tty':true},{'name':'inject','image':'i'}]}",
          "{'containers':[{'name':'a','image':'y'}],"
          "'$setElementOrder/containers':[{'name':'a'}]}",
          "{'containers':[{'name':'a','image':'y','tty':true},{'name':'inject','image':'i'}]}" },
        { "core/v1.PodSpec", "{'containers':[{'name':'a'},{'name':'b'},{'name':'gone'}]}",
          "{'containers':[{'name':'a'},{'name':'c','image':'z'}]}",
          "{'containers':[{'name':'a'},{'name':'b'}]}",
          "{'containers':[{'name':'c','image':'z'},{'$patch':'delete','name':'b'}],"
          "'$setElementOrder/containers':[{'name':'a'},{'name':'c'}]}",
          "{'containers':[{'name':'a'},{'name':'c','image':'z'}]}" },
        { "core/v1.PodSpec", NULL, "{'containers':[{'name':'b'},{'name':'a'}]}",
          "{'containers':[{'name':'a'},{'name':'b'}]}",
          "{'$setElementOrder/containers':[{'name':'b'},{'name':'a'}]}",
          "{'containers':[{'name':'b'},{'name':'a'}]}" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        check_diff(&cases[i]);
}

TEST(patch_diff, plain_values_are_added_and_removed)
{
    static const struct diff_case c = {
        "meta/v1.ObjectMeta",
        "{'finalizers':['a','b']}",
        "{'finalizers':['a','c']}",
        "{'finalizers':['x','a','b']}",
        "{'finalizers':['c'],'$deleteFromPrimitiveList/finalizers':['b'],"
        "'$setElementOrder/finalizers':['a','c']}",
        "{'finalizers':['x','a','c']}"
    };

    check_diff(&c);
}

TEST(patch_diff, unions_keep_only_the_member_that_is_wanted)
{
    static const struct diff_case cases[] = {
        { "apps/v1.DeploymentSpec", NULL, "{'strategy':{'type':'Recreate'}}",
          "{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1}}}",
          "{'strategy':{'type':'Recreate','$retainKeys':['type']}}",
          "{'strategy':{'type':'Recreate'}}" },
        { "core/v1.PodSpec", NULL, "{'volumes':[{'name':'v','emptyDir':{}}]}",
          "{'volumes':[{'name':'v','hostPath':{'path':'/x'}}]}",
          "{'volumes':[{'name':'v','emptyDir':{},'$retainKeys':['name','emptyDir']}],"
          "'$setElementOrder/volumes':[{'name':'v'}]}",
          "{'volumes':[{'name':'v','emptyDir':{}}]}" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        check_diff(&cases[i]);
}

TEST(patch_diff, whole_lists_that_the_server_only_filled_in_stay)
{
    static const char live[] = "{'volumeClaimTemplates':[{'metadata':{'name':'d'},"
                               "'spec':{'volumeMode':'Filesystem'},'status':{}}]}";
    static const char want[] = "{'volumeClaimTemplates':[{'metadata':{'name':'d'},'spec':{}}]}";
    const struct diff_case same = { "apps/v1.StatefulSetSpec", want, want, live, "{}", live };
    const struct diff_case changed = { "apps/v1.StatefulSetSpec", "{}", want, live, want, want };

    check_diff(&same);
    check_diff(&changed);
}

TEST(patch_diff, equal_merge_keys_are_told)
{
    cleanup(json_decrefpp) json_t *want = quoted(
        "{'ports':[{'port':53,'protocol':'TCP'},{'port':53,'protocol':'UDP'}]}");
    cleanup(json_decrefpp) json_t *live = quoted("{'ports':[{'port':53,'protocol':'TCP'}]}");
    const struct schema_type *type = schema_type("core/v1.ServiceSpec");
    cleanup(json_decrefpp) json_t *patch = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(patch_diff(&patch, NULL, want, live, type, &err), PATCH_DIFF_AMBIGUOUS);
    CHECK(patch == NULL);
    CHECK_INT(patch_diff(&patch, NULL, want, want, type, &err), 0);
    check_tree(patch, "{}");
}

TEST(patch_diff, refuses_what_is_no_object)
{
    cleanup(json_decrefpp) json_t *list = quoted("[1]");
    cleanup(json_decrefpp) json_t *object = quoted("{}");
    json_t *patch = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(patch_diff(&patch, NULL, list, object, NULL, &err), ERR_BAD_REQUEST);
    CHECK_INT(patch_diff(&patch, list, object, object, NULL, &err), ERR_BAD_REQUEST);
    CHECK(patch == NULL);
}
