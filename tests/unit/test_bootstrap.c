/* layer: api */
#include "tests/unit/registry_fixture.h"

#define FLOWS  "flowschemas.flowcontrol.apiserver.k8s.io"
#define LEVELS "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"

TEST(bootstrap, priority_levels_are_there_and_repaired_unless_they_are_kept)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK(GET(FLOWS, "", "system-node-high"));
    CHECK_AT("spec",
             "{'distinguisherMethod':{'type':'ByUser'},'matchingPrecedence':400,"
             "'priorityLevelConfiguration':{'name':'node-high'},'rules':[{'resourceRules':["
             "{'apiGroups':[''],'clusterScope':true,'namespaces':['*'],'resources':['nodes',"
             "'nodes/status'],'verbs':['*']},{'apiGroups':['coordination.k8s.io'],'namespaces':"
             "['*'],'resources':['leases'],'verbs':['*']}],'subjects':[{'group':{'name':"
             "'system:nodes'},'kind':'Group'}]}]}");
    CHECK(GET(LEVELS, "", "exempt"));
    CHECK_AT("spec", "{'exempt':{'lendablePercent':0,'nominalConcurrencyShares':0},'type':"
                     "'Exempt'}");
    CHECK_INT(MERGE(.bucket = LEVELS, .ns = "", .name = "system",
                    .body = "{'spec':{'limited':{'nominalConcurrencyShares':1}}}"),
              200);
    CHECK_INT(MERGE(.bucket = LEVELS, .ns = "", .name = "workload-low",
                    .body = "{'metadata':{'annotations':{'apf.kubernetes.io/autoupdate-spec':"
                            "'false'}},'spec':{'limited':{'nominalConcurrencyShares':1}}}"),
              200);
    CHECK_INT(DELETE(.bucket = FLOWS, .ns = "", .name = "probes"), 200);
    registry_fixture_restart(&f);
    CHECK(GET(LEVELS, "", "system"));
    CHECK_AT("spec.limited.nominalConcurrencyShares", "30");
    CHECK(GET(LEVELS, "", "workload-low"));
    CHECK_AT("spec.limited.nominalConcurrencyShares", "1");
    CHECK(GET(FLOWS, "", "probes"));
    registry_fixture_down(&f);
}

#define BINDINGS "clusterrolebindings.rbac.authorization.k8s.io"

TEST(bootstrap, a_default_binding_of_another_role_comes_anew_unless_it_is_kept)
{
    struct registry_fixture f = { 0 };
    static const char *const wrong[][2] = { { "system:discovery", "" },
                                            { "system:node-proxier",
                                              ",'annotations':{'rbac.authorization.kubernetes.io/"
                                              "autoupdate':'false'}" } };

    registry_fixture_up(&f);
    for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
        cleanup(freep) char *body = mem_fmt(
            "{'metadata':{'name':'%s'%s},'roleRef':{'apiGroup':"
            "'rbac.authorization.k8s.io','kind':'ClusterRole','name':'view'}}",
            wrong[i][0], wrong[i][1]);

        CHECK_INT(DELETE(.bucket = BINDINGS, .ns = "", .name = wrong[i][0]), 200);
        CHECK_INT(CREATE(.bucket = BINDINGS, .ns = "", .body = body), 201);
    }
    registry_fixture_restart(&f);
    CHECK(GET(BINDINGS, "", "system:discovery"));
    CHECK_AT("roleRef.name", "'system:discovery'");
    CHECK_AT("subjects.0.name", "'system:authenticated'");
    CHECK(GET(BINDINGS, "", "system:node-proxier"));
    CHECK_AT("roleRef.name", "'view'");
    registry_fixture_down(&f);
}
