/* layer: api */
#include "api/patch.h"
#include "base/mem.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

static void check_tree(const json_t *have, const char *want)
{
    cleanup(json_decrefpp) json_t *tree = quoted(want);
    cleanup(freep) char *a = json_print_sorted(have, NULL);
    cleanup(freep) char *b = json_print_sorted(tree, NULL);

    CHECK_STR(a, b);
}

typedef int (*patch_fn)(json_t **ret, const json_t *doc, const json_t *patch, struct err *err);

static void check_patch(patch_fn apply, const char *doc, const char *patch, const char *want)
{
    cleanup(json_decrefpp) json_t *d = quoted(doc);
    cleanup(json_decrefpp) json_t *p = quoted(patch);
    cleanup(json_decrefpp) json_t *result = NULL;
    struct err err = ERR_EMPTY;

    if (apply(&result, d, p, &err) < 0)
        CHECK_STR(err.text, "");
    check_tree(result, want);
    check_tree(d, doc); /* inputs stay as they are */
    check_tree(p, patch);
}

static void check_refused(patch_fn apply, const char *doc, const char *patch, int code)
{
    cleanup(json_decrefpp) json_t *d = quoted(doc);
    cleanup(json_decrefpp) json_t *p = quoted(patch);
    json_t *result = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(apply(&result, d, p, &err), code);
    CHECK(result == NULL);
}

TEST(patch, merge_follows_rfc_7386)
{
    static const char *const cases[][3] = {
        { "{'a':'b'}", "{'a':'c'}", "{'a':'c'}" },
        { "{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}" },
        { "{'a':'b'}", "{'a':null}", "{}" },
        { "{'a':['b']}", "{'a':'c'}", "{'a':'c'}" },
        { "{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}" },
        { "{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}" },
        { "{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}" },
        { "{'a':'foo'}", "{'a':{'b':1}}", "{'a':{'b':1}}" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        check_patch(patch_merge, cases[i][0], cases[i][1], cases[i][2]);
    check_refused(patch_merge, "{}", "[1]", ERR_BAD_REQUEST);
}

TEST(patch, json_follows_rfc_6902)
{
    static const char *const cases[][3] = {
        { "{'a':1}", "[{'op':'add','path':'/b','value':{'c':2}}]", "{'a':1,'b':{'c':2}}" },
        { "{'a':[1,2]}", "[{'op':'add','path':'/a/1','value':9}]", "{'a':[1,9,2]}" },
        { "{'a':[1]}", "[{'op':'add','path':'/a/-','value':9}]", "{'a':[1,9]}" },
        { "{'a':[1,2]}", "[{'op':'remove','path':'/a/0'}]", "{'a':[2]}" },
        { "{'a':1}", "[{'op':'replace','path':'/a','value':'x'}]", "{'a':'x'}" },
        { "{'a':1}", "[{'op':'replace','path':'','value':{'b':2}}]", "{'b':2}" },
        { "{'a':{'b':1}}", "[{'op':'move','from':'/a/b','path':'/c'}]", "{'a':{},'c':1}" },
        { "{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/c'}]", "{'a':{'b':1},'c':{'b':1}}" },
        { "{'a/b':1,'m~n':2}",
          "[{'op':'test','path':'/a~1b','value':1},{'op':'remove','path':'/m~0n'}]", "{'a/b':1}" },
        { "{'a':1}", "[{'op':'test','path':'/b','value':null}]", "{'a':1}" },
        { "{'a':1}", "[]", "{'a':1}" },
        { "{'a':{'':1}}", "[{'op':'remove','path':'/a/'}]", "{'a':{}}" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        check_patch(patch_json, cases[i][0], cases[i][1], cases[i][2]);
}

TEST(patch, json_refusals_have_their_codes)
{
    check_refused(patch_json, "{}", "{}", ERR_BAD_REQUEST);
    check_refused(patch_json, "{}", "[{'path':'/a'}]", ERR_BAD_REQUEST);
    check_refused(patch_json, "{}", "[{'op':'grow','path':'/a'}]", ERR_BAD_REQUEST);
    check_refused(patch_json, "{}", "[{'op':'add','path':'/a'}]", ERR_BAD_REQUEST);
    check_refused(patch_json, "{}", "[{'op':'move','path':'/a'}]", ERR_BAD_REQUEST);
    check_refused(patch_json, "{}", "[{'op':'remove','path':'/a'}]", ERR_INVALID);
    check_refused(patch_json, "{}", "[{'op':'replace','path':'/a','value':1}]", ERR_INVALID);
    check_refused(patch_json, "{}", "[{'op':'add','path':'/a/b','value':1}]", ERR_INVALID);
    check_refused(patch_json, "{'a':[]}", "[{'op':'add','path':'/a/1','value':1}]", ERR_INVALID);
    check_refused(patch_json, "{'a':[1]}", "[{'op':'remove','path':'/a/-'}]", ERR_INVALID);
    check_refused(patch_json, "{'a':[1]}", "[{'op':'remove','path':'/a/00'}]", ERR_INVALID);
    check_refused(patch_json, "{'a':1}", "[{'op':'test','path':'/a','value':2}]", ERR_INVALID);
    check_refused(patch_json, "{'a':1}", "[{'op':'test','path':'a','value':1}]", ERR_INVALID);
    check_refused(patch_json, "{}", "[{'op':'remove','path':''}]", ERR_INVALID);
}

TEST(patch, json_bounds_operations_and_copies)
{
    cleanup(json_decrefpp) json_t *doc = quoted("{'a':{'t':'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}}");
    cleanup(json_decrefpp) json_t *many = json_array();
    cleanup(json_decrefpp) json_t *doubling = json_array();
    json_t *result = NULL;
    struct err err = ERR_EMPTY;

    for (int i = 0; i <= PATCH_MAX_OPERATIONS; i++)
        json_array_append_new(many, quoted("{'op':'test','path':'/a'}"));
    CHECK_INT(patch_json(&result, doc, many, &err), ERR_LIMIT);
    CHECK_STR(err.text, "The allowed maximum operations in a JSON patch is 10000, got 10001");
    for (int i = 0; i < 30; i++)
        json_array_append_new(doubling, json_pack("{ssssss+}", "op", "copy", "from", "/a", "path",
                                                  "/a/", i % 2 == 0 ? "b" : "c"));
    CHECK_INT(patch_json(&result, doc, doubling, &err), ERR_LIMIT);
    CHECK(result == NULL);
}

static int strategic_deployment(json_t **ret, const json_t *doc, const json_t *patch,
                                struct err *err)
{
    return patch_strategic(ret, doc, patch, schema_type("apps/v1.Deployment"), err);
}

static int strategic_pod(json_t **ret, const json_t *doc, const json_t *patch, struct err *err)
{
    return patch_strategic(ret, doc, patch, schema_type("core/v1.PodSpec"), err);
}

static int strategic_service(json_t **ret, const json_t *doc, const json_t *patch, struct err *err)
{
    return patch_strategic(ret, doc, patch, schema_type("core/v1.Service"), err);
}

TEST(patch, strategic_merges_containers_by_name)
{
    /* What kubectl set image sends. */
    check_patch(strategic_deployment,
                "{'spec':{'replicas':3,'template':{'spec':{'containers':[{'name':'a','image':'x:1',"
                "'ports':[{'containerPort':80}]},{'name':'b','image':'y:1'}]}}}}",
                "{'spec':{'template':{'spec':{'$setElementOrder/containers':[{'name':'a'},{'name':"
                "'b'}],'containers':[{'image':'x:2','name':'a'}]}}}}",
                "{'spec':{'replicas':3,'template':{'spec':{'containers':[{'name':'a','image':'x:2',"
                "'ports':[{'containerPort':80}]},{'name':'b','image':'y:1'}]}}}}");
    /* A new container, without an order (it goes first, as in Kubernetes' documentation) and
     * with one. */
    check_patch(strategic_pod, "{'containers':[{'name':'a'}]}", "{'containers':[{'name':'b'}]}",
                "{'containers':[{'name':'b'},{'name':'a'}]}");
    check_patch(strategic_pod, "{'containers':[{'name':'a'}]}",
                "{'$setElementOrder/containers':[{'name':'b'},{'name':'a'}],"
                "'containers':[{'name':'b','image':'i'}]}",
                "{'containers':[{'name':'b','image':'i'},{'name':'a'}]}");
    /* Deleting one. */
    check_patch(strategic_pod, "{'containers':[{'name':'a'},{'name':'b'}]}",
                "{'$setElementOrder/containers':[{'name':'b'}],"
                "'containers':[{'$patch':'delete','name':'a'}]}",
                "{'containers':[{'name':'b'}]}");
}

TEST(patch, strategic_merges_nested_lists)
{
    /* env: change, add, delete in one apply. */
    check_patch(strategic_pod,
                "{'containers':[{'name':'a','env':[{'name':'A','value':'1'},{'name':'B','value':"
                "'2'}],'command':['x','y']}]}",
                "{'containers':[{'name':'a','$setElementOrder/env':[{'name':'C'},{'name':'A'}],"
                "'env':[{'name':'C','value':'3'},{'name':'A','value':'9'},{'$patch':'delete',"
                "'name':'B'}],'command':['z']}]}",
                "{'containers':[{'name':'a','env':[{'name':'C','value':'3'},{'name':'A','value':"
                "'9'}],'command':['z']}]}");
    /* A volume that becomes another kind of source: retainKeys drops the old one. */
    check_patch(strategic_pod,
                "{'volumes':[{'name':'v','emptyDir':{}},{'name':'w','hostPath':{'path':'/x'}}]}",
                "{'$setElementOrder/volumes':[{'name':'v'},{'name':'w'}],'volumes':[{'$retainKeys':"
                "['name','configMap'],'name':'v','configMap':{'name':'c'},'emptyDir':null}]}",
                "{'volumes':[{'name':'v','configMap':{'name':'c'}},{'name':'w','hostPath':{'path':"
                "'/x'}}]}");
    /* Tolerations have no merge key: replaced whole. */
    check_patch(strategic_pod, "{'tolerations':[{'key':'a'},{'key':'b'}]}",
                "{'tolerations':[{'key':'c'}]}", "{'tolerations':[{'key':'c'}]}");
    check_patch(strategic_pod, "{'tolerations':[{'key':'a'}]}", "{'tolerations':null}", "{}");
    /* Pull secrets merge by name, maps by key. */
    check_patch(
        strategic_pod, "{'imagePullSecrets':[{'name':'a'}],'nodeSelector':{'x':'1','y':'2'}}",
        "{'imagePullSecrets':[{'name':'b'}],'nodeSelector':{'x':null,'z':'3'}}",
        "{'imagePullSecrets':[{'name':'b'},{'name':'a'}],'nodeSelector':{'y':'2','z':'3'}}");
}

TEST(patch, strategic_merges_ports_by_their_keys)
{
    check_patch(strategic_service,
                "{'spec':{'ports':[{'port':80,'protocol':'TCP','targetPort':80,'nodePort':30001},"
                "{'port':443,'protocol':'TCP','targetPort':443}]}}",
                "{'spec':{'$setElementOrder/ports':[{'port':80},{'port':8080}],'ports':[{'port':"
                "8080,'targetPort':8080},{'$patch':'delete','port':443}]}}",
                "{'spec':{'ports':[{'port':80,'protocol':'TCP','targetPort':80,'nodePort':30001},"
                "{'port':8080,'targetPort':8080}]}}");
}

TEST(patch, strategic_keeps_the_servers_items_in_place)
{
    /* s1 and s2 are only known to the server; the client reorders b before a. */
    check_patch(strategic_pod,
                "{'containers':[{'name':'s1'},{'name':'a'},{'name':'s2'},{'name':'b'}]}",
                "{'$setElementOrder/containers':[{'name':'b'},{'name':'a'}]}",
                "{'containers':[{'name':'s1'},{'name':'s2'},{'name':'b'},{'name':'a'}]}");
    check_patch(strategic_pod,
                "{'containers':[{'name':'a'},{'name':'s1'},{'name':'b'},{'name':'s2'}]}",
                "{'$setElementOrder/containers':[{'name':'a'},{'name':'n'},{'name':'b'}],"
                "'containers':[{'name':'n'}]}",
                "{'containers':[{'name':'a'},{'name':'n'},{'name':'s1'},{'name':'b'},{'name':"
                "'s2'}]}");
}

TEST(patch, strategic_handles_primitive_lists)
{
    check_patch(strategic_service, "{'metadata':{'finalizers':['a','b']}}",
                "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a']}}",
                "{'metadata':{'finalizers':['b']}}");
    check_patch(strategic_service, "{'metadata':{'finalizers':['a','b']}}",
                "{'metadata':{'$setElementOrder/finalizers':['c','b'],'finalizers':['c'],"
                "'$deleteFromPrimitiveList/finalizers':['a']}}",
                "{'metadata':{'finalizers':['c','b']}}");
    check_patch(strategic_service, "{'metadata':{}}", "{'metadata':{'finalizers':['x','x']}}",
                "{'metadata':{'finalizers':['x']}}");
}

TEST(patch, strategic_obeys_map_directives)
{
    check_patch(strategic_pod, "{'securityContext':{'runAsUser':1,'fsGroup':2}}",
                "{'securityContext':{'$patch':'replace','runAsUser':5}}",
                "{'securityContext':{'runAsUser':5}}");
    check_patch(strategic_pod, "{'securityContext':{'runAsUser':1}}",
                "{'securityContext':{'$patch':'delete'}}", "{'securityContext':{}}");
    check_patch(strategic_pod, "{'containers':[{'name':'a'},{'name':'b'}]}",
                "{'containers':[{'name':'c'},{'$patch':'replace'}]}",
                "{'containers':[{'name':'c'}]}");
    /* The strategy of a Deployment: what kubectl apply sends to go from RollingUpdate. */
    check_patch(strategic_deployment,
                "{'spec':{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1}}}}",
                "{'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}",
                "{'spec':{'strategy':{'type':'Recreate'}}}");
    /* Directives and nulls inside something new leave no trace. */
    check_patch(strategic_deployment, "{}",
                "{'spec':{'template':{'spec':{'$setElementOrder/containers':[{'name':'a'}],"
                "'containers':[{'name':'a','image':null}]}}}}",
                "{'spec':{'template':{'spec':{'containers':[{'name':'a'}]}}}}");
    check_patch(strategic_service, "{'metadata':{'annotations':{'a':'1'}}}",
                "{'metadata':{'annotations':{'a':null,'b':'2'}}}",
                "{'metadata':{'annotations':{'b':'2'}}}");
}

TEST(patch, strategic_refusals_have_their_codes)
{
    check_refused(strategic_pod, "{}", "[]", ERR_BAD_REQUEST);
    check_refused(strategic_pod, "{}", "{'containers':[{'image':'x'}]}", ERR_INVALID);
    check_refused(strategic_pod, "{}", "{'containers':['x']}", ERR_BAD_REQUEST);
    check_refused(strategic_pod, "{}", "{'securityContext':{'$patch':'explode'}}", ERR_BAD_REQUEST);
    check_refused(strategic_pod, "{}", "{'$retainKeys':['a'],'hostname':'b'}", ERR_BAD_REQUEST);
    check_refused(strategic_pod, "{'containers':[{'name':'a'},{'name':'b'}]}",
                  "{'$setElementOrder/containers':[{'name':'a'},{'name':'b'}],'containers':"
                  "[{'name':'b'},{'name':'a'}]}",
                  ERR_BAD_REQUEST);
}

TEST(patch, strategic_bounds_its_work)
{
    cleanup(json_decrefpp) json_t *doc = quoted("{'metadata':{'finalizers':[]}}");
    cleanup(json_decrefpp) json_t *patch = quoted("{'metadata':{'finalizers':['z']}}");
    json_t *result = NULL, *list = json_at(doc, "metadata.finalizers");
    struct err err = ERR_EMPTY;

    for (int i = 0; i < 6000; i++)
        json_array_append_new(list, json_integer(i));
    CHECK_INT(strategic_service(&result, doc, patch, &err), ERR_LIMIT);
    CHECK(result == NULL);
}

TEST(patch, json_bounds_the_depth_of_its_result)
{
    cleanup(json_decrefpp) json_t *doc = quoted("{'a':{}}");
    cleanup(json_decrefpp) json_t *ops = json_array();
    json_t *result = NULL;
    struct err err = ERR_EMPTY;

    for (int i = 0; i < 600; i++) {
        json_array_append_new(ops, quoted("{'op':'add','path':'/b','value':{}}"));
        json_array_append_new(ops, quoted("{'op':'move','from':'/a','path':'/b/x'}"));
        json_array_append_new(ops, quoted("{'op':'move','from':'/b','path':'/a'}"));
    }
    CHECK_INT(patch_json(&result, doc, ops, &err), ERR_LIMIT);
    CHECK(result == NULL);
}
