/* layer: api */
#include "api/decode.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

static json_t *defaulted(const char *api_version, const char *kind, const char *body)
{
    const struct schema_resource *r = schema_by_api_version(api_version, kind);
    json_t *tree = NULL;
    struct err err = ERR_EMPTY;

    CHECK(r != NULL);
    CHECK(json_parse(&tree, body, strlen(body), NULL, &err) == 0);
    CHECK(decode_check(tree, r->type, NULL, &err) == 0);
    decode_defaults(tree, r);
    return tree;
}

/* Compares what stands at @path after defaults, and that a second run changes nothing. */
static void check_at(const char *api_version, const char *kind, const char *body, const char *path,
                     const char *want)
{
    cleanup(json_decrefpp) json_t *tree = defaulted(api_version, kind, body);
    cleanup(json_decrefpp) json_t *again = json_deep_copy(tree);
    cleanup(json_decrefpp) json_t *wanted = json_loads(want, JSON_DECODE_ANY, NULL);
    cleanup(freep) char *have = NULL, *wanted_text = NULL;
    const json_t *part;

    decode_defaults(again, schema_by_api_version(api_version, kind));
    CHECK(json_equal(tree, again));
    part = path[0] != '\0' ? json_at(tree, path) : tree;
    have = part != NULL ? json_print_sorted(part, NULL) : mem_str("null");
    wanted_text = json_print_sorted(wanted, NULL);
    CHECK_STR(have, wanted_text);
}

TEST(defaults, fill_a_pod)
{
    check_at("v1", "Pod",
             "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
             "\"nginx\",\"ports\":[{\"containerPort\":80}],\"livenessProbe\":{\"httpGet\":{"
             "\"port\":80}},\"resources\":{\"limits\":{\"cpu\":\"1\"}}}],\"volumes\":[{\"name\":"
             "\"v\"},{\"name\":\"c\",\"configMap\":{\"name\":\"x\"}}]}}",
             "spec",
             "{\"containers\":[{\"name\":\"c\",\"image\":\"nginx\",\"imagePullPolicy\":\"Always\","
             "\"ports\":[{\"containerPort\":80,\"protocol\":\"TCP\"}],\"livenessProbe\":{"
             "\"httpGet\":{\"port\":80,\"path\":\"/\",\"scheme\":\"HTTP\"},\"timeoutSeconds\":1,"
             "\"periodSeconds\":10,\"successThreshold\":1,\"failureThreshold\":3},\"resources\":{"
             "\"limits\":{\"cpu\":\"1\"},\"requests\":{\"cpu\":\"1\"}},\"terminationMessagePath\":"
             "\"/dev/termination-log\",\"terminationMessagePolicy\":\"File\"}],\"volumes\":[{"
             "\"name\":\"v\",\"emptyDir\":{}},{\"name\":\"c\",\"configMap\":{\"name\":\"x\","
             "\"defaultMode\":420}}],\"dnsPolicy\":\"ClusterFirst\",\"restartPolicy\":\"Always\","
             "\"securityContext\":{},\"terminationGracePeriodSeconds\":30,\"schedulerName\":"
             "\"default-scheduler\",\"enableServiceLinks\":true}");
}

TEST(defaults, pull_policy_follows_the_tag)
{
    static const struct {
        const char *image, *policy;
    } cases[] = {
        { "nginx", "\"Always\"" },
        { "nginx:latest", "\"Always\"" },
        { "nginx:1.27", "\"IfNotPresent\"" },
        { "r.example:5000/nginx", "\"Always\"" },
        { "r.example:5000/nginx:1", "\"IfNotPresent\"" },
        { "nginx@sha256:00", "\"IfNotPresent\"" },
        { "nginx:latest@sha256:00", "\"Always\"" },
        { "nginx:latest2", "\"IfNotPresent\"" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        cleanup(freep) char *body = mem_fmt("{\"spec\":{\"containers\":[{\"image\":\"%s\"}]}}",
                                            cases[i].image);
        cleanup(json_decrefpp) json_t *pod = defaulted("v1", "Pod", body);
        json_t *c = json_array_get(json_at(pod, "spec.containers"), 0);
        cleanup(freep) char *have = json_print(json_at(c, "imagePullPolicy"), NULL);

        CHECK_STR(have, cases[i].policy);
    }
}

TEST(defaults, requests_follow_limits_in_pods_only)
{
    cleanup(json_decrefpp) json_t *d = defaulted(
        "apps/v1", "Deployment",
        "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"a:1\","
        "\"resources\":{\"limits\":{\"cpu\":\"1\"}}}]}}}}");
    json_t *spec = json_at(d, "spec.template.spec");

    CHECK(json_at(json_array_get(json_at(spec, "containers"), 0), "resources.requests") == NULL);
    CHECK(json_at(spec, "enableServiceLinks") == NULL);
    CHECK_STR(json_str(spec, "restartPolicy"), "Always");
}

TEST(defaults, fill_a_deployment)
{
    check_at("apps/v1", "Deployment", "{\"spec\":{}}", "spec",
             "{\"replicas\":1,\"revisionHistoryLimit\":10,\"progressDeadlineSeconds\":600,"
             "\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxUnavailable\":"
             "\"25%\",\"maxSurge\":\"25%\"}}}");
    check_at("apps/v1", "Deployment",
             "{\"spec\":{\"replicas\":0,\"strategy\":{\"type\":"
             "\"Recreate\"}}}",
             "spec",
             "{\"replicas\":0,\"revisionHistoryLimit\":10,\"progressDeadlineSeconds\":600,"
             "\"strategy\":{\"type\":\"Recreate\"}}");
}

TEST(defaults, fill_a_stateful_set)
{
    check_at("apps/v1", "StatefulSet", "{\"spec\":{\"volumeClaimTemplates\":[{\"spec\":{}}]}}",
             "spec",
             "{\"replicas\":1,\"revisionHistoryLimit\":10,\"podManagementPolicy\":"
             "\"OrderedReady\",\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{"
             "\"partition\":0}},\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":"
             "\"Retain\",\"whenScaled\":\"Retain\"},\"volumeClaimTemplates\":[{\"apiVersion\":"
             "\"v1\",\"kind\":\"PersistentVolumeClaim\",\"spec\":{\"resources\":{},\"volumeMode\":"
             "\"Filesystem\"},\"status\":{\"phase\":\"Pending\"}}]}");
}

TEST(defaults, fill_a_service)
{
    check_at("v1", "Service",
             "{\"spec\":{\"ports\":[{\"port\":80},{\"port\":81,\"targetPort\":"
             "\"web\"}]}}",
             "spec",
             "{\"type\":\"ClusterIP\",\"sessionAffinity\":\"None\",\"internalTrafficPolicy\":"
             "\"Cluster\",\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":80},{"
             "\"port\":81,\"protocol\":\"TCP\",\"targetPort\":\"web\"}]}");
    check_at("v1", "Service",
             "{\"spec\":{\"type\":\"LoadBalancer\",\"sessionAffinity\":"
             "\"ClientIP\"}}",
             "spec",
             "{\"type\":\"LoadBalancer\",\"sessionAffinity\":\"ClientIP\","
             "\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":10800}},"
             "\"internalTrafficPolicy\":\"Cluster\",\"externalTrafficPolicy\":\"Cluster\","
             "\"allocateLoadBalancerNodePorts\":true}");
    check_at("v1", "Service", "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.b\"}}",
             "spec",
             "{\"type\":\"ExternalName\",\"externalName\":\"a.b\",\"sessionAffinity\":\"None\"}");
}

TEST(defaults, fill_a_job)
{
    check_at("batch/v1", "Job", "{\"spec\":{\"completions\":3}}", "spec",
             "{\"completions\":3,\"parallelism\":1,\"backoffLimit\":6,\"completionMode\":"
             "\"NonIndexed\",\"suspend\":false,\"manualSelector\":false,\"podReplacementPolicy\":"
             "\"TerminatingOrFailed\"}");
    check_at("batch/v1", "Job", "{\"spec\":{\"parallelism\":2}}", "spec.completions", "null");
    check_at("batch/v1", "CronJob", "{\"spec\":{}}", "spec",
             "{\"concurrencyPolicy\":\"Allow\",\"suspend\":false,\"successfulJobsHistoryLimit\":3,"
             "\"failedJobsHistoryLimit\":1}");
}

TEST(defaults, write_string_data_of_secrets_as_data)
{
    check_at("v1", "Secret",
             "{\"data\":{\"a\":\"YQ==\",\"b\":\"YQ==\"},\"stringData\":{\"b\":"
             "\"bb\"}}",
             "", "{\"data\":{\"a\":\"YQ==\",\"b\":\"YmI=\"},\"type\":\"Opaque\"}");
}

TEST(defaults, cover_the_smaller_kinds)
{
    check_at("networking.k8s.io/v1", "NetworkPolicy",
             "{\"spec\":{\"podSelector\":{},\"egress\":[{"
             "\"ports\":[{\"port\":53}]}]}}",
             "spec",
             "{\"podSelector\":{},\"policyTypes\":[\"Ingress\",\"Egress\"],\"egress\":[{\"ports\":"
             "[{\"port\":53,\"protocol\":\"TCP\"}]}]}");
    check_at("rbac.authorization.k8s.io/v1", "RoleBinding",
             "{\"roleRef\":{\"name\":\"r\"},"
             "\"subjects\":[{\"kind\":\"User\",\"name\":\"u\"},{\"kind\":\"ServiceAccount\"}]}",
             "",
             "{\"roleRef\":{\"name\":\"r\",\"apiGroup\":\"rbac.authorization.k8s.io\"},"
             "\"subjects\":[{\"kind\":\"User\",\"name\":\"u\",\"apiGroup\":"
             "\"rbac.authorization.k8s.io\"},{\"kind\":\"ServiceAccount\"}]}");
    check_at("v1", "Namespace", "{\"metadata\":{\"name\":\"n\"}}", "metadata",
             "{\"name\":\"n\",\"labels\":{\"kubernetes.io/metadata.name\":\"n\"}}");
    check_at("storage.k8s.io/v1", "StorageClass", "{\"provisioner\":\"p\"}", "",
             "{\"provisioner\":\"p\",\"reclaimPolicy\":\"Delete\",\"volumeBindingMode\":"
             "\"Immediate\"}");
    check_at("autoscaling/v2", "HorizontalPodAutoscaler",
             "{\"spec\":{\"behavior\":{\"scaleDown\":{"
             "\"selectPolicy\":\"Disabled\"}}}}",
             "spec.behavior",
             "{\"scaleUp\":{\"stabilizationWindowSeconds\":0,\"selectPolicy\":\"Max\",\"policies\":"
             "[{\"type\":\"Pods\",\"value\":4,\"periodSeconds\":15},{\"type\":\"Percent\","
             "\"value\":100,\"periodSeconds\":15}]},\"scaleDown\":{\"selectPolicy\":\"Disabled\","
             "\"policies\":[{\"type\":\"Percent\",\"value\":100,\"periodSeconds\":15}]}}");
    check_at("v1", "LimitRange",
             "{\"spec\":{\"limits\":[{\"type\":\"Container\",\"max\":{\"cpu\":"
             "\"1\"},\"min\":{\"memory\":\"1\"}}]}}",
             "spec.limits",
             "[{\"type\":\"Container\",\"max\":{\"cpu\":\"1\"},\"min\":{\"memory\":\"1\"},"
             "\"default\":{\"cpu\":\"1\"},\"defaultRequest\":{\"cpu\":\"1\",\"memory\":\"1\"}}]");
}
