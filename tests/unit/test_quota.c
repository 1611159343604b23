/* layer: api */
#include "api/quota.h"
#include "tests/unit/registry_fixture.h"

#define QUOTA(name, hard, more) "{'metadata':{'name':'" name "'},'spec':{'hard':" hard more "}}"
#define SIZED(name, resources)                                                       \
    "{'metadata':{'name':'" name "'},'spec':{'containers':[{'name':'c','image':'i'," \
    "'resources':" resources "}]}}"

/* --- what objects use --- */

static const struct usage_row {
    const char *bucket, *tree, *want;
} usage_rows[] = {
    { "configmaps", NULL, "{'configmaps':'1','count/configmaps':'1'}" },
    { "deployments.apps", NULL, "{'count/deployments.apps':'1'}" },
    { "widgets.example.com", NULL, "{'count/widgets.example.com':'1'}" },
    { "services", "{'spec':{'type':'ClusterIP','ports':[{'port':1}]}}",
      "{'count/services':'1','services':'1','services.loadbalancers':'0','services.nodeports':"
      "'0'}" },
    { "services", "{'spec':{'type':'NodePort','ports':[{'port':1},{'port':2}]}}",
      "{'count/services':'1','services':'1','services.loadbalancers':'0','services.nodeports':"
      "'2'}" },
    { "services", "{'spec':{'type':'LoadBalancer','ports':[{'port':1},{'port':2}]}}",
      "{'count/services':'1','services':'1','services.loadbalancers':'1','services.nodeports':"
      "'2'}" },
    { "services",
      "{'spec':{'type':'LoadBalancer','allocateLoadBalancerNodePorts':false,'ports':[{'port':1},"
      "{'port':2,'nodePort':30001}]}}",
      "{'count/services':'1','services':'1','services.loadbalancers':'1','services.nodeports':"
      "'1'}" },
    { "persistentvolumeclaims",
      "{'spec':{'storageClassName':'gold','resources':{'requests':{'storage':'2Gi'}}}}",
      "{'count/persistentvolumeclaims':'1',"
      "'gold.storageclass.storage.k8s.io/persistentvolumeclaims':'1',"
      "'gold.storageclass.storage.k8s.io/requests.storage':'2Gi','persistentvolumeclaims':'1',"
      "'requests.storage':'2Gi'}" },
    { "pods", "{'spec':{'containers':[{'name':'c'}]}}", "{'count/pods':'1','pods':'1'}" },
    { "pods", "{'spec':{'containers':[{'name':'c'}]},'status':{'phase':'Succeeded'}}",
      "{'count/pods':'1'}" },
    { "pods",
      "{'spec':{'containers':[{'name':'c','resources':{'requests':{'cpu':'500m','memory':'1Gi',"
      "'example.com/gpu':'2','hugepages-2Mi':'4Mi'},'limits':{'cpu':'1'}}},{'name':'d',"
      "'resources':{'requests':{'cpu':'250m'}}}],'overhead':{'cpu':'50m'}}}",
      "{'count/pods':'1','cpu':'800m','hugepages-2Mi':'4Mi','limits.cpu':'1050m',"
      "'memory':'1Gi','pods':'1','requests.cpu':'800m','requests.example.com/gpu':'2',"
      "'requests.hugepages-2Mi':'4Mi','requests.memory':'1Gi'}" },
    { "pods",
      "{'metadata':{'deletionTimestamp':'2026-01-02T03:04:05Z',"
      "'deletionGracePeriodSeconds':30},'spec':{'containers':[{'name':'c'}]}}",
      "{'count/pods':'1'}" },
};

TEST(quota, each_kind_is_counted_under_its_names)
{
    for (size_t i = 0; i < N_ELEMENTS(usage_rows); i++) {
        struct registry_fixture f = { 0 };
        cleanup(json_decrefpp) json_t *tree = usage_rows[i].tree ? quoted(usage_rows[i].tree)
                                                                 : NULL;
        cleanup(json_decrefpp) json_t *usage = NULL;

        usage = quota_usage(usage_rows[i].bucket, tree, FIXTURE_NOW_MS + 30001);
        CHECK(quota_needs_tree(usage_rows[i].bucket) == (tree != NULL));
        f.printed = json_print_sorted(usage, NULL);
        for (char *s = f.printed; *s != '\0'; s++)
            *s = *s == '"' ? '\'' : *s;
        CHECK_STR(f.printed, usage_rows[i].want);
        free(f.printed);
    }
}

TEST(quota, names_belong_to_kinds)
{
    static const struct {
        const char *name, *bucket;
    } rows[] = {
        { "pods", "pods" },
        { "requests.cpu", "pods" },
        { "limits.memory", "pods" },
        { "requests.example.com/gpu", "pods" },
        { "hugepages-2Mi", "pods" },
        { "requests.storage", "persistentvolumeclaims" },
        { "gold.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims" },
        { "services.nodeports", "services" },
        { "count/jobs.batch", "jobs.batch" },
        { "secrets", "secrets" },
        { "example.com/gpu", NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        CHECK_STR(quota_bucket(rows[i].name), rows[i].bucket);
}

#define SCOPE(list) "'scopes':[" list "]"
#define CLASS(operator, more)                                                        \
    "'scopeSelector':{'matchExpressions':[{'scopeName':'PriorityClass','operator':'" \
    operator"'" more "}]}"

TEST(quota, scopes_choose_pods)
{
    static const struct {
        const char *scopes, *spec;
        bool covered;
    } rows[] = {
        { SCOPE("'Terminating'"), "{'activeDeadlineSeconds':5}", true },
        { SCOPE("'Terminating'"), "{}", false },
        { SCOPE("'NotTerminating'"), "{}", true },
        { SCOPE("'NotTerminating'"), "{'activeDeadlineSeconds':5}", false },
        { SCOPE("'BestEffort'"), "{'containers':[{'name':'c'}]}", true },
        { SCOPE("'BestEffort'"),
          "{'containers':[{'name':'c','resources':{'requests':{'cpu':'1'}}}]}", false },
        { SCOPE("'NotBestEffort'"),
          "{'containers':[{'name':'c','resources':{'requests':{'cpu':'1'}}}]}", true },
        { SCOPE("'BestEffort','Terminating'"), "{'containers':[{'name':'c'}]}", false },
        { SCOPE("'PriorityClass'"), "{'priorityClassName':'high'}", true },
        { SCOPE("'PriorityClass'"), "{}", false },
        { CLASS("In", ",'values':['high','low']"), "{'priorityClassName':'low'}", true },
        { CLASS("In", ",'values':['high']"), "{'priorityClassName':'low'}", false },
        { CLASS("In", ",'values':['high']"), "{}", false },
        { CLASS("NotIn", ",'values':['high']"), "{'priorityClassName':'low'}", true },
        { CLASS("NotIn", ",'values':['high']"), "{}", true },
        { CLASS("NotIn", ",'values':['high']"), "{'priorityClassName':'high'}", false },
        { CLASS("Exists", ""), "{'priorityClassName':'high'}", true },
        { CLASS("DoesNotExist", ""), "{'priorityClassName':'high'}", false },
        { CLASS("DoesNotExist", ""), "{}", true },
        { SCOPE("'CrossNamespacePodAffinity'"), "{}", false },
        { SCOPE("'CrossNamespacePodAffinity'"),
          "{'affinity':{'podAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':"
          "[{'namespaces':['x']}]}}}",
          true },
        { SCOPE("'CrossNamespacePodAffinity'"),
          "{'affinity':{'podAntiAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':"
          "[{'podAffinityTerm':{'namespaceSelector':{}}}]}}}",
          true },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *q = mem_fmt("{'spec':{%s}}", rows[i].scopes);
        cleanup(freep) char *p = mem_fmt("{'spec':%s}", rows[i].spec);
        cleanup(json_decrefpp) json_t *quota = quoted(q);
        cleanup(json_decrefpp) json_t *pod = quoted(p);

        if (quota_covers(quota, "pods", pod) != rows[i].covered)
            test_failed(q, p, (int)i);
        CHECK(!quota_covers(quota, "configmaps", NULL));
    }
}

/* --- the way of a write --- */

static const char *used(struct registry_fixture *f, const char *name)
{
    CHECK(registry_fixture_get(f, "resourcequotas", "default", name));
    return registry_fixture_print(f, f->body, "status.used");
}

TEST(quota, a_new_quota_knows_what_is_there)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_INT(CREATE(.bucket = "resourcequotas",
                     .body = QUOTA("q",
                                   "{'configmaps':'5','pods':'1','resourcequotas':'2',"
                                   "'count/deployments.apps':'1','requests.cpu':'1'}",
                                   "")),
              201);
    CHECK_INT(json_array_size(f.warnings), 0);
    CHECK_STR(used(&f, "q"), "{'configmaps':'2','count/deployments.apps':'0','pods':'1',"
                             "'requests.cpu':'0','resourcequotas':'1'}");
    CHECK_AT("status.hard", "{'configmaps':'5','count/deployments.apps':'1','pods':'1',"
                            "'requests.cpu':'1','resourcequotas':'2'}");
    CHECK_INT(MERGE(.bucket = "resourcequotas", .name = "q",
                    .body = "{'spec':{'hard':{'secrets':'3','pods':null}}}"),
              200);
    CHECK_STR(used(&f, "q"), "{'configmaps':'2','count/deployments.apps':'0','requests.cpu':'0',"
                             "'resourcequotas':'1','secrets':'0'}");
    registry_fixture_down(&f);
}

TEST(quota, what_is_too_much_is_refused)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "resourcequotas",
                     .body = QUOTA("q", "{'pods':'2','requests.cpu':'1','count/pods':'9'}", "")),
              201);
    CHECK_INT(CREATE(.bucket = "pods", .body = SIZED("a", "{'requests':{'cpu':'600m'}}")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = SIZED("b", "{'requests':{'cpu':'500m'}}")), 403);
    CHECK_SAYS("pods \"b\" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: "
               "requests.cpu=600m, limited: requests.cpu=1");
    CHECK_INT(CREATE(.bucket = "pods", .body = SIZED("b", "{'requests':{'cpu':'400m'}}")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = SIZED("c", "{'requests':{'cpu':'1'}}")), 403);
    CHECK_SAYS("pods \"c\" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=1, "
               "used: pods=2,requests.cpu=1, limited: pods=2,requests.cpu=1");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("d", "")), 403);
    CHECK_SAYS("pods \"d\" is forbidden: failed quota: q: must specify requests.cpu for: c");
    CHECK_INT(CREATE(.bucket = "pods", .ns = "kube-system", .body = POD("d", "")), 201);
    CHECK_STR(used(&f, "q"), "{'count/pods':'2','pods':'2','requests.cpu':'1'}");
    registry_fixture_down(&f);
}

TEST(quota, each_container_says_what_a_quota_obliges_it_to)
{
    cleanup(json_decrefpp) json_t *quota = quoted(
        "{'spec':{'hard':{'limits.cpu':'1','requests.memory':'1Gi','pods':'1',"
        "'requests.storage':'1'}}}");
    cleanup(json_decrefpp) json_t *pod = quoted(
        "{'spec':{'containers':[{'name':'b','resources':{'limits':{'cpu':'1'}}},{'name':'a'}],"
        "'initContainers':[{'name':'i','resources':{'requests':{'memory':'1'}}}]}}");
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    quota_missing(&t, quota, pod);
    CHECK_STR(text_str(&t), "must specify limits.cpu for: a,i; requests.memory for: a,b");
}

TEST(quota, writes_under_way_count)
{
    struct registry_fixture f = { 0 };
    int made = 0;

    registry_fixture_up(&f);
    CHECK_INT(
        CREATE(.bucket = "resourcequotas", .body = QUOTA("q", "{'count/configmaps':'6'}", "")),
        201);
    for (int i = 0; i < 32; i++) {
        cleanup(freep) char *body = mem_fmt("{'metadata':{'name':'c%d'}}", i);

        registry_fixture_send(&f, (struct ask){ .verb = REGISTRY_CREATE, .body = body });
        if (f.calls == 0)
            made++; /* waits for the disk */
        else
            CHECK(strstr(json_str(f.body, "message"),
                         "is forbidden: exceeded quota: q, requested: count/configmaps=1, used: "
                         "count/configmaps=6, limited: count/configmaps=6") != NULL);
    }
    registry_fixture_settle(&f);
    CHECK_INT(made, 5); /* kube-root-ca.crt is the sixth */
    CHECK_INT((int)store_count(f.s, "configmaps"), 5 + 4);
    CHECK_STR(used(&f, "q"), "{'count/configmaps':'6'}");
    registry_fixture_down(&f);
}

TEST(quota, a_failed_batch_gives_back)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "resourcequotas", .body = QUOTA("q", "{'secrets':'1'}", "")), 201);
    backend_memory_fail(f.m, 1, 1, ERR_IO);
    CHECK(CREATE(.bucket = "secrets", .body = "{'metadata':{'name':'a'}}") >= 500);
    CHECK_STR(used(&f, "q"), "{'secrets':'0'}");
    CHECK_INT(CREATE(.bucket = "secrets", .body = "{'metadata':{'name':'a'}}"), 201);
    CHECK_STR(used(&f, "q"), "{'secrets':'1'}");
    CHECK_INT(CREATE(.bucket = "secrets", .body = "{'metadata':{'name':'b'}}"), 403);
    registry_fixture_restart(&f);
    CHECK_INT(CREATE(.bucket = "secrets", .body = "{'metadata':{'name':'b'}}"), 403);
    registry_fixture_down(&f);
}

TEST(quota, what_goes_or_ends_is_released)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "resourcequotas",
                     .body = QUOTA("q", "{'pods':'2','count/pods':'2','secrets':'1'}", "")),
              201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("a", "")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("b", "")), 201);
    CHECK_INT(MERGE(.bucket = "pods", .name = "a", .sub = "status",
                    .body = "{'status':{'phase':'Succeeded'}}"),
              200);
    CHECK_STR(used(&f, "q"), "{'count/pods':'2','pods':'1','secrets':'0'}");
    CHECK_INT(DELETE(.bucket = "pods", .name = "b"), 200);
    CHECK_INT(DELETE(.bucket = "pods", .name = "a"), 200);
    CHECK_STR(used(&f, "q"), "{'count/pods':'0','pods':'0','secrets':'0'}");
    CHECK_INT(
        CREATE(.bucket = "secrets", .body = "{'metadata':{'name':'s','finalizers':['a.io/b']}}"),
        201);
    CHECK_INT(DELETE(.bucket = "secrets", .name = "s"), 200);
    CHECK_STR(used(&f, "q"), "{'count/pods':'0','pods':'0','secrets':'1'}");
    CHECK_INT(MERGE(.bucket = "secrets", .name = "s", .body = "{'metadata':{'finalizers':null}}"),
              200);
    CHECK_STR(used(&f, "q"), "{'count/pods':'0','pods':'0','secrets':'0'}");
    registry_fixture_down(&f);
}

TEST(quota, changes_that_grow_are_held_too)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "resourcequotas",
                     .body = QUOTA("q", "{'services':'2','services.nodeports':'1'}", "")),
              201);
    CHECK_INT(CREATE(.bucket = "services",
                     .body = "{'metadata':{'name':'s'},'spec':{'ports':[{'name':'a','port':1},"
                             "{'name':'b','port':2}]}}"),
              201);
    CHECK_INT(MERGE(.bucket = "services", .name = "s", .body = "{'spec':{'type':'NodePort'}}"),
              403);
    CHECK_SAYS("services \"s\" is forbidden: exceeded quota: q, requested: services.nodeports=2, "
               "used: services.nodeports=0, limited: services.nodeports=1");
    CHECK_INT(MERGE(.bucket = "services", .name = "s",
                    .body = "{'spec':{'type':'NodePort','ports':[{'port':1}]}}"),
              200);
    CHECK_STR(used(&f, "q"), "{'services':'2','services.nodeports':'1'}");
    CHECK_INT(MERGE(.bucket = "services", .name = "s", .body = "{'spec':{'type':'ClusterIP'}}"),
              200);
    CHECK_STR(used(&f, "q"), "{'services':'2','services.nodeports':'0'}");
    registry_fixture_down(&f);
}

TEST(quota, every_quota_of_the_namespace_is_asked_and_paid)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "resourcequotas",
                     .body = QUOTA("a", "{'pods':'5'}", ",'scopes':['BestEffort']")),
              201);
    CHECK_INT(CREATE(.bucket = "resourcequotas",
                     .body = QUOTA("b", "{'pods':'1'}", ",'scopes':['NotBestEffort']")),
              201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("a", "")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = SIZED("b", "{'requests':{'cpu':'1m'}}")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = SIZED("c", "{'requests':{'cpu':'1m'}}")), 403);
    CHECK_INT(CREATE(.bucket = "pods", .dry_run = true, .body = POD("c", "")), 201);
    CHECK_STR(used(&f, "a"), "{'pods':'1'}");
    CHECK_STR(used(&f, "b"), "{'pods':'1'}");
    CHECK_INT(CREATE(.bucket = "resourcequotas", .body = QUOTA("c", "{'resourcequotas':'2'}", "")),
              201);
    CHECK_STR(used(&f, "c"), "{'resourcequotas':'3'}");
    CHECK_INT(CREATE(.bucket = "resourcequotas", .body = QUOTA("d", "{'pods':'2'}", "")), 403);
    CHECK_INT(DELETE(.bucket = "resourcequotas", .name = "b"), 200);
    CHECK_STR(used(&f, "c"), "{'resourcequotas':'2'}");
    registry_fixture_down(&f);
}

TEST(quota, a_quota_that_cannot_be_counted_is_refused)
{
    static const struct {
        const char *spec, *want;
    } rows[] = {
        { "{'hard':{'pods':'1500m'}}", "spec.hard[pods]: Invalid value: \"1500m\": must be an "
                                       "integer" },
        { "{'hard':{'cpu':'1500m','requests.storage':'1Gi'}}", NULL },
        { "{'hard':{'requests.storage':'1Gi'},'scopes':['Terminating']}",
          "spec.scopes: Invalid value: []core.ResourceQuotaScope{\"Terminating\"}: unsupported "
          "scope applied to resource" },
        { "{'hard':{'cpu':'1'},'scopes':['BestEffort']}",
          "spec.scopes: Invalid value: []core.ResourceQuotaScope{\"BestEffort\"}: unsupported "
          "scope applied to resource" },
        { "{'hard':{'pods':'1'},'scopes':['BestEffort','NotBestEffort']}",
          "spec.scopes: Invalid value: []core.ResourceQuotaScope{\"BestEffort\", "
          "\"NotBestEffort\"}: conflicting scopes" },
        { "{'hard':{'pods':'1'},'scopeSelector':{'matchExpressions':[{'scopeName':"
          "'PriorityClass','operator':'In'}]}}",
          "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value "
          "when `operator` is 'In' or 'NotIn' for scope selector" },
        { "{'hard':{'pods':'1'},'scopeSelector':{'matchExpressions':[{'scopeName':"
          "'PriorityClass','operator':'Exists'}]}}",
          NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct registry_fixture f = { 0 };
        cleanup(freep) char *body = mem_fmt("{'metadata':{'name':'q'},'spec':%s}", rows[i].spec);
        cleanup(freep) char *want = mem_fmt("ResourceQuota \"q\" is invalid: %s",
                                            rows[i].want != NULL ? rows[i].want : "");

        registry_fixture_up(&f);
        CHECK_INT(CREATE(.bucket = "resourcequotas", .body = body), rows[i].want ? 422 : 201);
        if (rows[i].want != NULL)
            CHECK_SAYS(want);
        registry_fixture_down(&f);
    }
}
