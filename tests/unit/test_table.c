/* layer: api */
#include "api/table.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

static int64_t now_ms(void)
{
    int64_t ms = 0;

    CHECK(clock_parse("2026-01-01T01:00:00Z", &ms));
    return ms;
}

/* The whole table of one object. */
static json_t *table_of(const char *bucket, const char *text, enum table_include include)
{
    cleanup(json_decrefpp) json_t *tree = quoted(text);
    cleanup(object_unrefp) struct object *o = object_new(bucket, 7, tree);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct table_opts opts = { .resource = schema_bucket(bucket),
                               .include = include,
                               .now_ms = now_ms() };
    json_t *table = NULL;
    struct err err = ERR_EMPTY;

    CHECK(opts.resource != NULL);
    table_open(&t, &opts, "7", NULL, 0, false);
    table_row(&t, &opts, o);
    table_close(&t);
    if (json_parse(&table, text_str(&t), t.len, NULL, &err) < 0)
        CHECK_STR(err.text, text_str(&t));
    return table;
}

/* Cells of one object as compact JSON with ' for ". */
static void check_cells(const char *bucket, const char *text, const char *want)
{
    cleanup(json_decrefpp) json_t *table = table_of(bucket, text, TABLE_NONE);
    const json_t *row = json_array_get(json_object_get(table, "rows"), 0);
    const json_t *cells = json_object_get(row, "cells");
    cleanup(freep) char *have = json_print(cells, NULL);

    CHECK_INT(json_array_size(cells), json_array_size(json_object_get(table, "columnDefinitions")));
    for (char *p = have; *p != '\0'; p++)
        *p = *p == '"' ? '\'' : *p;
    CHECK_STR(have, want);
}

#define META "'metadata':{'name':'a','creationTimestamp':'2026-01-01T00:55:00Z'}"

TEST(table, ages_read_as_in_kubectl)
{
    static const struct {
        int64_t s;
        const char *text;
    } cases[] = {
        { -5, "<invalid>" },  { -1, "0s" },       { 0, "0s" },          { 119, "119s" },
        { 120, "2m" },        { 200, "3m20s" },   { 599, "9m59s" },     { 600, "10m" },
        { 10799, "179m" },    { 10800, "3h" },    { 11100, "3h5m" },    { 28800, "8h" },
        { 172799, "47h" },    { 172800, "2d" },   { 176400, "2d1h" },   { 691200, "8d" },
        { 62985600, "729d" }, { 63072000, "2y" }, { 63158400, "2y1d" }, { 252288000, "8y" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char age[TABLE_AGE_MAX];

        table_age(age, cases[i].s * 1000);
        CHECK_STR(age, cases[i].text);
    }
}

TEST(table, has_kubernetes_envelope)
{
    cleanup(json_decrefpp) json_t *table = table_of(
        "pods", "{'kind':'Pod','apiVersion':'v1'," META ",'status':{'phase':'Failed'}}",
        TABLE_METADATA);
    const json_t *columns = json_object_get(table, "columnDefinitions");
    const json_t *row = json_array_get(json_object_get(table, "rows"), 0);

    CHECK_STR(json_str(table, "kind"), "Table");
    CHECK_STR(json_str(table, "apiVersion"), "meta.k8s.io/v1");
    CHECK_STR(json_str(table, "metadata.resourceVersion"), "7");
    CHECK_STR(json_str(json_array_get(columns, 0), "format"), "name");
    CHECK_INT(json_int(json_array_get(columns, 5), "priority", -1), 1);
    CHECK_STR(json_str(row, "object.kind"), "PartialObjectMetadata");
    CHECK_STR(json_str(row, "object.metadata.name"), "a");
    CHECK_STR(json_str(json_array_get(json_object_get(row, "conditions"), 0), "type"), "Completed");
}

TEST(table, pages_and_later_events_say_so)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct table_opts opts = { .resource = schema_bucket("pods") };

    table_open(&t, &opts, "9", "abc", 12, true);
    table_close(&t);
    CHECK_STR(text_str(&t), "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":"
                            "{\"resourceVersion\":\"9\",\"continue\":\"abc\","
                            "\"remainingItemCount\":12},\"columnDefinitions\":null,\"rows\":[]}");
}

TEST(table, pod_status_follows_its_containers)
{
    check_cells("pods",
                "{" META ",'spec':{'containers':[{'name':'x'}],'nodeName':'n1'},'status':{'phase':"
                "'Running','podIPs':[{'ip':'10.0.0.1'}],'containerStatuses':[{'name':'x','ready':"
                "true,'restartCount':2,'state':{'running':{}},'lastState':{'terminated':"
                "{'finishedAt':'2026-01-01T00:58:00Z'}}}]}}",
                "['a','1/1','Running','2 (2m ago)','5m','10.0.0.1','n1','<none>','<none>']");
    check_cells("pods",
                "{" META ",'spec':{'containers':[{'name':'x'}]},'status':{'phase':'Running',"
                "'containerStatuses':[{'name':'x','restartCount':3,'state':{'waiting':{'reason':"
                "'CrashLoopBackOff'}}}]}}",
                "['a','0/1','CrashLoopBackOff','3','5m','<none>','<none>','<none>','<none>']");
    check_cells("pods",
                "{" META ",'spec':{'initContainers':[{'name':'i'},{'name':'s','restartPolicy':"
                "'Always'}],'containers':[{'name':'x'}]},'status':{'phase':'Pending',"
                "'initContainerStatuses':[{'name':'i','state':{'terminated':{'exitCode':0}}},"
                "{'name':'s','state':{'waiting':{'reason':'PodInitializing'}}}]}}",
                "['a','0/2','Init:1/2','0','5m','<none>','<none>','<none>','<none>']");
    check_cells("pods",
                "{" META ",'spec':{'initContainers':[{'name':'i'}],'containers':[{'name':'x'}]},"
                "'status':{'phase':'Pending','initContainerStatuses':[{'name':'i','restartCount':1,"
                "'state':{'terminated':{'exitCode':3}}}]}}",
                "['a','0/1','Init:ExitCode:3','1','5m','<none>','<none>','<none>','<none>']");
    check_cells("pods",
                "{'metadata':{'name':'a','creationTimestamp':'2026-01-01T00:55:00Z',"
                "'deletionTimestamp':'2026-01-01T00:59:00Z'},'spec':{'containers':[{'name':'x'}]},"
                "'status':{'phase':'Running'}}",
                "['a','0/1','Terminating','0','5m','<none>','<none>','<none>','<none>']");
    check_cells("pods",
                "{" META ",'spec':{'containers':[{'name':'x'},{'name':'y'}],'readinessGates':"
                "[{'conditionType':'g'}]},'status':{'phase':'Running','conditions':[{'type':"
                "'Ready','status':'False'}],'containerStatuses':[{'name':'x','state':{'terminated':"
                "{'reason':'Completed'}}},{'name':'y','ready':true,'state':{'running':{}}}]}}",
                "['a','1/2','NotReady','0','5m','<none>','<none>','<none>','0/1']");
    check_cells("pods",
                "{" META ",'spec':{'containers':[{'name':'x'}]},'status':{'phase':'Pending',"
                "'conditions':[{'type':'PodScheduled','status':'False','reason':"
                "'SchedulingGated'}]}}",
                "['a','0/1','SchedulingGated','0','5m','<none>','<none>','<none>','<none>']");
}

#define TEMPLATE "'template':{'spec':{'containers':[{'name':'x','image':'i:1'}]}}"

TEST(table, workloads)
{
    check_cells("deployments.apps",
                "{" META ",'spec':{'replicas':3,'selector':{'matchLabels':{'app':'w'}}," TEMPLATE
                "},'status':{'readyReplicas':2,'updatedReplicas':3,'availableReplicas':2}}",
                "['a','2/3',3,2,'5m','x','i:1','app=w']");
    check_cells("replicasets.apps",
                "{" META ",'spec':{'replicas':3,'selector':{'matchLabels':{'app':'w'}}," TEMPLATE
                "},'status':{'replicas':2}}",
                "['a',3,2,0,'5m','x','i:1','app=w']");
    check_cells("statefulsets.apps", "{" META ",'spec':{'replicas':2," TEMPLATE "},'status':{}}",
                "['a','0/2','5m','x','i:1']");
    check_cells("daemonsets.apps",
                "{" META ",'spec':{'selector':{}," TEMPLATE "},'status':{'numberReady':1}}",
                "['a',0,0,1,0,0,'<none>','5m','x','i:1','<none>']");
    check_cells("jobs.batch",
                "{" META ",'spec':{'completions':3,'selector':{}," TEMPLATE "},'status':{"
                "'succeeded':1,'startTime':'2026-01-01T00:59:30Z'}}",
                "['a','Running','1/3','30s','5m','x','i:1','<none>']");
    check_cells("cronjobs.batch",
                "{" META
                ",'spec':{'schedule':'* * * * *','suspend':false,'jobTemplate':{'spec':{" TEMPLATE
                "}}},'status':{'active':[{}]}}",
                "['a','* * * * *','<none>','False',1,'<none>','5m','x','i:1','<none>']");
}

TEST(table, services_and_network)
{
    check_cells("services",
                "{" META ",'spec':{'type':'NodePort','clusterIPs':['10.1.0.1'],'ports':[{'port':80,"
                "'nodePort':30080,'protocol':'TCP'},{'port':53,'protocol':'UDP'}],'selector':"
                "{'b':'2','a':'1'}}}",
                "['a','NodePort','10.1.0.1','<none>','80:30080/TCP,53/UDP','5m','a=1,b=2']");
    check_cells("services",
                "{" META ",'spec':{'type':'LoadBalancer','clusterIPs':['10.1.0.1'],'ports':[]}}",
                "['a','LoadBalancer','10.1.0.1','<pending>','<none>','5m','<none>']");
    check_cells("endpoints",
                "{" META ",'subsets':[{'addresses':[{'ip':'1.1.1.1'},{'ip':'1.1.1.2'},{'ip':"
                "'1.1.1.3'},{'ip':'1.1.1.4'}],'ports':[{'port':80}]}]}",
                "['a','1.1.1.1:80,1.1.1.2:80,1.1.1.3:80 + 1 more...','5m']");
    check_cells("ingresses.networking.k8s.io",
                "{" META ",'spec':{'tls':[{}],'rules':[{'host':'h'},{}]},'status':{'loadBalancer':"
                "{'ingress':[{'ip':'2.2.2.2'},{'ip':'1.1.1.1'}]}}}",
                "['a','<none>','h','1.1.1.1,2.2.2.2','80, 443','5m']");
    check_cells("endpointslices.discovery.k8s.io",
                "{" META ",'addressType':'IPv4','ports':[{'port':80},{'name':'m'},{}],'endpoints':"
                "[{'addresses':['1.1.1.1']}]}",
                "['a','IPv4','80,m,*','1.1.1.1','5m']");
    check_cells("networkpolicies.networking.k8s.io",
                "{" META ",'spec':{'podSelector':{'matchExpressions':[{'key':'k','operator':'In',"
                "'values':['b','a']}]}}}",
                "['a','k in (a,b)','5m']");
}

TEST(table, nodes_storage_and_the_rest)
{
    check_cells("nodes",
                "{'metadata':{'name':'a','creationTimestamp':'2026-01-01T00:55:00Z','labels':"
                "{'node-role.kubernetes.io/worker':'','node-role.kubernetes.io/control-plane':''}},"
                "'spec':{'unschedulable':true},'status':{'conditions':[{'type':'Ready','status':"
                "'True'}],'addresses':[{'type':'InternalIP','address':'9.9.9.9'}],'nodeInfo':"
                "{'kubeletVersion':'v1.32.0','osImage':'Debian'}}}",
                "['a','Ready,SchedulingDisabled','control-plane,worker','5m','v1.32.0','9.9.9.9',"
                "'<none>','Debian','<unknown>','<unknown>']");
    check_cells("persistentvolumeclaims",
                "{" META ",'spec':{'storageClassName':'local','volumeName':'v1','volumeMode':"
                "'Filesystem'},'status':{'phase':'Bound','capacity':{'storage':'1Gi'},"
                "'accessModes':['ReadWriteOnce','ReadOnlyMany']}}",
                "['a','Bound','v1','1Gi','RWO,ROX','local','<unset>','5m','Filesystem']");
    check_cells("storageclasses.storage.k8s.io",
                "{'metadata':{'name':'a','annotations':{'storageclass.kubernetes.io/"
                "is-default-class':'true'}},'provisioner':'p'}",
                "['a (default)','p','Delete','Immediate',false,'<unknown>']");
    check_cells("events",
                "{'metadata':{'name':'e'},'involvedObject':{'kind':'Pod','name':'p'},'reason':'R',"
                "'type':'Normal','message':' m\\n','lastTimestamp':'2026-01-01T00:59:55Z',"
                "'firstTimestamp':'2026-01-01T00:55:00Z','count':4,'source':{'component':'k',"
                "'host':'h'}}",
                "['5s','Normal','R','pod/p','','k, h','m','5m',4,'e']");
    check_cells("configmaps", "{" META ",'data':{'a':'1'},'binaryData':{'b':''}}", "['a',2,'5m']");
    check_cells("rolebindings.rbac.authorization.k8s.io",
                "{" META ",'roleRef':{'kind':'Role','name':'r'},'subjects':[{'kind':'User','name':"
                "'u'},{'kind':'ServiceAccount','name':'s','namespace':'n'}]}",
                "['a','Role/r','5m','u','','n/s']");
    check_cells("resourcequotas",
                "{" META ",'status':{'hard':{'pods':'5','limits.cpu':'2','cpu':'1'},'used':{'pods':"
                "'3'}}}",
                "['a','cpu: 0/1, pods: 3/5','limits.cpu: 0/2','5m']");
    check_cells(
        "horizontalpodautoscalers.autoscaling",
        "{" META ",'spec':{'scaleTargetRef':{'kind':'Deployment','name':'d'},'minReplicas':"
        "1,'maxReplicas':3,'metrics':[{'type':'Resource','resource':{'name':'cpu','target':"
        "{'type':'Utilization','averageUtilization':50}}}]},'status':{'currentReplicas':2}}",
        "['a','Deployment/d','cpu: <unknown>/50%','1',3,2,'5m']");
    check_cells("roles.rbac.authorization.k8s.io", "{" META "}", "['a','2026-01-01T00:55:00Z']");
}

TEST(table, a_scale_has_columns_of_its_own)
{
    cleanup(json_decrefpp) json_t *scale = quoted(
        "{'kind':'Scale'," META ",'spec':{'replicas':3},'status':{'replicas':2}}");
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct table_opts opts = { .resource = schema_bucket("deployments.apps"), .now_ms = now_ms() };

    table_scale(&t, &opts, scale);
    CHECK(strstr(text_str(&t), "\"cells\":[\"a\",3,2,\"5m\"]") != NULL);
    CHECK(strstr(text_str(&t), "\"object\":{\"kind\":\"PartialObjectMetadata\"") != NULL);
}

TEST(table, every_kind_has_a_row)
{
    const struct schema_resource *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        cleanup(json_decrefpp) json_t *table = table_of(r->bucket, "{" META "}", TABLE_OBJECT);
        const json_t *row = json_array_get(json_object_get(table, "rows"), 0);

        CHECK_INT(json_array_size(json_object_get(row, "cells")),
                  json_array_size(json_object_get(table, "columnDefinitions")));
        CHECK_STR(json_str(row, "object.metadata.name"), "a");
    }
}
