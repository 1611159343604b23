/* layer: api
 * Several appliers, fields that a way of writing cannot change, versions and types that go,
 * objects of the tables. */
#include "tests/unit/apply_fixture.h"
#include "tests/unit/apply_schemas.h"

static const struct apply_case apply_manager_cases[] = {
    { .name = "equal values are shared",
      .schema = S_LEAF,
      .steps = { { APPLY, "a", "{'string':'x'}" }, { APPLY, "b", "{'string':'x'}" } },
      .object = "{'string':'x'}",
      .owners = "a+ .string; b+ .string" },
    { .name = "one of two owners may not change what is shared",
      .schema = S_LEAF,
      .steps = { { APPLY, "a", "{'string':'x'}" },
                 { APPLY, "b", "{'string':'x'}" },
                 { APPLY, "a", "{'string':'y'}", "conflict with 'b': .string" } },
      .object = "{'string':'x'}",
      .owners = "a+ .string; b+ .string" },
    { .name = "one of two owners leaves and the value stays",
      .schema = S_LEAF,
      .steps = { { APPLY, "a", "{'string':'x'}" },
                 { APPLY, "b", "{'string':'x'}" },
                 { APPLY, "a", "{}" } },
      .object = "{'string':'x'}",
      .owners = "b+ .string" },
    { .name = "both leave and the value goes",
      .schema = S_LEAF,
      .steps = { { APPLY, "a", "{'string':'x','number':1}" },
                 { APPLY, "b", "{'string':'x'}" },
                 { APPLY, "a", "{'number':1}" },
                 { APPLY, "b", "{}" } },
      .object = "{'number':1}",
      .owners = "a+ .number" },
    { .name = "handed over: the new one applies, the old one lets go",
      .schema = S_LEAF,
      .steps = { { APPLY, "a", "{'number':3,'string':'x'}" },
                 { UPDATE, "c", "{'number':5,'string':'x'}" },
                 { APPLY, "a", "{'string':'x'}" } },
      .object = "{'number':5,'string':'x'}",
      .owners = "a+ .string; c .number" },
    { .name = "force takes from appliers and updaters",
      .schema = S_LEAF,
      .steps = { { APPLY, "a", "{'string':'x'}" },
                 { UPDATE, "c", "{'string':'x','number':1}" },
                 { FORCE, "b", "{'string':'y','number':2}" } },
      .object = "{'string':'y','number':2}",
      .owners = "b+ .number .string" },
    { .name = "updates of one manager add up",
      .schema = S_LEAF,
      .steps = { { UPDATE, "c", "{'string':'x'}" },
                 { UPDATE, "c", "{'string':'x','number':1}" },
                 { UPDATE, "c", "{'string':'y','number':1}" } },
      .object = "{'string':'y','number':1}",
      .owners = "c .number .string" },
    { .name = "one manager in two versions is two entries of updates",
      .schema = S_LEAF,
      .schema2 = S_LEAF_2,
      .steps = { { UPDATE, "c", "{'string':'x'}" },
                 { UPDATE, "c", "{'string':'x','number':1}", .version = "v2" } },
      .object = "{'string':'x','number':1}",
      .owners = "c .string; c@v2 .number" },
    { .name = "one manager through a subresource is another entry",
      .schema = S_LEAF,
      .steps = { { UPDATE, "c", "{'string':'x'}" },
                 { UPDATE, "c", "{'string':'x','number':1}", .sub = "status" },
                 { APPLY, "a", "{'number':2}",
                   "conflict with 'c' with subresource 'status' using v1: .number" } },
      .owners = "c .string; c/status .number" },
    { .name = "an update cannot own what is reset",
      .schema = S_NESTED,
      .steps = { { UPDATE, "c", "{'struct':{'name':'x'},'mapOfMaps':{'a':{'b':'c'}}}",
                   .reset = { "struct" } } },
      .owners = "c .mapOfMaps .mapOfMaps.a .mapOfMaps.a.b" },
    { .name = "an update cannot own what is reset further down",
      .schema = S_NESTED,
      .steps = { { UPDATE, "c", "{'struct':{'name':'x','value':1}}", .reset = { "struct.name" } } },
      .owners = "c .struct .struct.value" },
    { .name = "an apply cannot own what is reset",
      .schema = S_NESTED,
      .steps = { { APPLY, "a", "{'struct':{'name':'x'},'mapOfMaps':{'a':{'b':'c'}}}",
                   .reset = { "struct" } } },
      .owners = "a+ .mapOfMaps.a .mapOfMaps.a.b" },
    { .name = "an update takes nothing that is reset from its owner",
      .schema = S_NESTED,
      .steps = { { APPLY, "a", "{'struct':{'name':'x'}}" },
                 { UPDATE, "c", "{'struct':{'name':'y'}}", .reset = { "struct" } } },
      .owners = "a+ .struct.name" },
    { .name = "an apply takes nothing that is reset from its owner",
      .schema = S_NESTED,
      .steps = { { APPLY, "a", "{'struct':{'name':'x'}}" },
                 { APPLY, "b", "{'struct':{'name':'y'}}", .reset = { "struct" } } },
      .owners = "a+ .struct.name" },
    { .name = "entries of a version that is gone go with the next write",
      .schema = S_LEAF,
      .steps = { { UPDATE, "c", "{'string':'x'}" }, { UPDATE, "d", "{'string':'x','number':1}" } },
      .owners = "c .string; d .number" },
    { .name = "what became atomic has one owner for the whole",
      .schema = S_GRANULAR,
      .schema2 = S_ATOMIC,
      .steps = { { APPLY, "a", "{'m':{'a':'1'},'l':[{'name':'x','value':1}]}" },
                 { APPLY, "a", "{'m':{'a':'1'},'l':[{'name':'x','value':2}]}", .version = "v2" } },
      .object = "{'m':{'a':'1'},'l':[{'name':'x','value':2}]}",
      .owners = "a+@v2 .l .m" },
    { .name = "what became granular is still its owner's whole",
      .schema = S_GRANULAR,
      .schema2 = S_ATOMIC,
      .steps = { { APPLY, "a", "{'m':{'a':'1'}}", .version = "v2" },
                 { APPLY, "b", "{'m':{'b':'2'}}", "conflict with 'a': .m" },
                 { APPLY, "a", "{'m':{'a':'1'}}" } },
      .object = "{'m':{'a':'1'}}",
      .owners = "a+ .m.a" },
    { .name = "fields that are not declared are refused",
      .schema = S_LEAF,
      .steps = { { APPLY, "a", "{'nope':1}", ".nope: field not declared in schema" } },
      .owners = "" },
    { .name = "wrong types are refused, all of them",
      .schema = S_LEAF,
      .steps = { { APPLY, "a", "{'number':'x','bool':1}",
                   "errors:\n  .number: expected numeric (int or float), got string\n"
                   "  .bool: expected boolean, got &{1}" } },
      .owners = "" },
};

TEST(apply, managers_share_hand_over_and_let_go)
{
    APPLY_RUN(apply_manager_cases);
}

#define A_POD(rest) \
    "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i'" rest "}]}}"

static const struct apply_case apply_table_cases[] = {
    { .name = "a pod's containers, as an update",
      .kind = "core/v1.Pod",
      .steps = { { UPDATE, "c", A_POD(",'ports':[{'containerPort':80,'protocol':'TCP'}]") } },
      .owners = "c .spec.containers[name='c'] .spec.containers[name='c'].image "
                ".spec.containers[name='c'].name .spec.containers[name='c'].ports "
                ".spec.containers[name='c'].resources "
                ".spec.containers[name='c'].ports[containerPort=80,protocol='TCP'] "
                ".spec.containers[name='c'].ports[containerPort=80,protocol='TCP'].containerPort "
                ".spec.containers[name='c'].ports[containerPort=80,protocol='TCP'].protocol" },
    { .name = "a pod's containers, applied",
      .kind = "core/v1.Pod",
      .steps = { { APPLY, "a", A_POD(",'ports':[{'containerPort':80}]") } },
      .owners = "a+ .spec.containers[name='c'] .spec.containers[name='c'].image "
                ".spec.containers[name='c'].name "
                ".spec.containers[name='c'].ports[containerPort=80,protocol='TCP'] "
                ".spec.containers[name='c'].ports[containerPort=80,protocol='TCP'].containerPort" },
    { .name = "one applier per container",
      .kind = "core/v1.Pod",
      .steps = { { APPLY, "a", A_POD("") },
                 { APPLY, "b", "{'spec':{'containers':[{'name':'d','image':'j'}]}}" },
                 { APPLY, "a", "{'spec':{}}" } },
      .object = "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'d','image':'j'}]}}",
      .owners = "a+ .spec; b+ .spec.containers[name='d'] .spec.containers[name='d'].image "
                ".spec.containers[name='d'].name" },
    { .name = "what Go always writes is no change",
      .kind = "core/v1.Pod",
      .steps = { { UPDATE, "c", A_POD("") },
                 { UPDATE, "d", A_POD(",'resources':{}") },
                 { APPLY, "a", A_POD(",'resources':{}") } },
      .owners = "a+ .spec.containers[name='c'] .spec.containers[name='c'].image "
                ".spec.containers[name='c'].name .spec.containers[name='c'].resources; c "
                ".spec.containers[name='c'] .spec.containers[name='c'].image "
                ".spec.containers[name='c'].name .spec.containers[name='c'].resources" },
    { .name = "labels and selectors",
      .kind = "apps/v1.Deployment",
      .steps = { { APPLY, "a",
                   "{'metadata':{'labels':{'x':'1'}},'spec':{'selector':{'matchLabels':"
                   "{'a':'b'}},'replicas':2}}" },
                 { APPLY, "b", "{'metadata':{'labels':{'y':'2'}}}" },
                 { UPDATE, "h",
                   "{'metadata':{'labels':{'x':'1','y':'2'}},'spec':{'selector':"
                   "{'matchLabels':{'a':'b'}},'replicas':5}}",
                   .sub = "scale" },
                 { APPLY, "a",
                   "{'metadata':{'labels':{'x':'1'}},'spec':{'selector':{'matchLabels':"
                   "{'a':'b'}}}}" } },
      .owners =
          "a+ .metadata.labels.x .spec.selector; b+ .metadata.labels.y; h/scale .spec.replicas" },
    { .name = "conditions are told apart by their types",
      .kind = "core/v1.Pod",
      .steps = { { UPDATE, "k", "{'status':{'conditions':[{'type':'Ready','status':'True'}]}}",
                   .sub = "status", .reset = { "spec" } },
                 { UPDATE, "o",
                   "{'status':{'conditions':[{'type':'Ready','status':'True'},"
                   "{'type':'gate','status':'True'}]}}",
                   .sub = "status", .reset = { "spec" } } },
      .owners =
          "k/status .status.conditions .status.conditions[type='Ready'] "
          ".status.conditions[type='Ready'].lastProbeTime "
          ".status.conditions[type='Ready'].lastTransitionTime "
          ".status.conditions[type='Ready'].status .status.conditions[type='Ready'].type; o/status "
          ".status.conditions[type='gate'] .status.conditions[type='gate'].lastProbeTime "
          ".status.conditions[type='gate'].lastTransitionTime "
          ".status.conditions[type='gate'].status .status.conditions[type='gate'].type" },
    { .name = "owner references by uid, finalizers by name",
      .kind = "core/v1.ConfigMap",
      .steps = { { UPDATE, "k",
                   "{'metadata':{'finalizers':['a/b'],'ownerReferences':[{'uid':'1',"
                   "'name':'o','kind':'K','apiVersion':'v1'}]},'data':{'x':'y'}}" } },
      .owners = "k .data .data.x .metadata.finalizers .metadata.ownerReferences "
                ".metadata.finalizers[='a/b'] .metadata.ownerReferences[uid='1']" },
};

TEST(apply, objects_of_the_tables_are_owned_as_kubernetes_says)
{
    APPLY_RUN(apply_table_cases);
}
