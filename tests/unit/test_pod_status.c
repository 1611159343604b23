/* layer: api */
#include "api/conditions.h"
#include "api/intstr.h"
#include "api/pod_resources.h"
#include "api/pod_status.h"
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

TEST(intstr, scales_percentages_up_and_down)
{
    cleanup(json_decrefpp)
        json_t *list = tree_of("[3,\"25%\",\"-25%\",\"25\",\"%\",\"100%\",true]");
    int64_t v = -99;

    CHECK(intstr_scale(json_array_get(list, 0), 10, true, &v) && v == 3);
    CHECK(intstr_scale(json_array_get(list, 1), 10, true, &v) && v == 3);
    CHECK(intstr_scale(json_array_get(list, 1), 10, false, &v) && v == 2);
    CHECK(intstr_scale(json_array_get(list, 2), 10, false, &v) && v == -3);
    CHECK(intstr_scale(json_array_get(list, 5), 7, false, &v) && v == 7);
    CHECK(!intstr_scale(json_array_get(list, 3), 10, true, &v));
    CHECK(!intstr_scale(json_array_get(list, 4), 10, true, &v));
    CHECK(!intstr_scale(json_array_get(list, 6), 10, true, &v));
    CHECK(!intstr_scale(NULL, 10, true, &v));
    CHECK_INT(v, 7);
}

TEST(conditions, transition_time_moves_only_when_the_status_flips)
{
    cleanup(json_decrefpp) json_t *status = json_object();

    CHECK(condition_set(status, "Ready", "False", "NotYet", NULL, 1000));
    CHECK(!condition_set(status, "Ready", "False", "NotYet", NULL, 2000));
    CHECK(condition_set(status, "Ready", "False", "Waiting", "for it", 3000));
    CHECK_STR(json_str(condition_get(status, "Ready"), "lastTransitionTime"),
              "1970-01-01T00:00:01Z");
    CHECK(condition_set(status, "Ready", "True", NULL, NULL, 4000));
    CHECK_STR(json_str(condition_get(status, "Ready"), "lastTransitionTime"),
              "1970-01-01T00:00:04Z");
    CHECK(json_str(condition_get(status, "Ready"), "reason") == NULL);
    CHECK(condition_is(status, "Ready", "True"));
    CHECK(!condition_is(status, "Other", "True"));
    CHECK(!condition_is(NULL, "Ready", "True"));
    CHECK(condition_remove(status, "Ready") && !condition_remove(status, "Ready"));
}

TEST(conditions, agree_when_nothing_of_mine_is_told_otherwise)
{
    cleanup(json_decrefpp) json_t *mine = json_object();
    cleanup(json_decrefpp) json_t *theirs = json_object();

    CHECK(conditions_agree(mine, theirs));
    condition_set(mine, "Ready", "True", "Mine", NULL, 0);
    CHECK(!conditions_agree(mine, theirs));
    CHECK(!conditions_agree(mine, NULL));
    condition_set(theirs, "Ready", "True", "Other", NULL, 0);
    condition_set(theirs, "More", "False", NULL, NULL, 0);
    CHECK(conditions_agree(mine, theirs));
    condition_set(theirs, "Ready", "Unknown", NULL, NULL, 0);
    CHECK(!conditions_agree(mine, theirs));
    CHECK(conditions_agree(NULL, theirs));
}

TEST(pod_status, readiness_and_availability)
{
    cleanup(json_decrefpp) json_t *pod = tree_of(
        "{\"metadata\":{},\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":"
        "\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"1970-01-01T00:00:10Z\"}]}}");

    CHECK(pod_is_ready(pod) && pod_is_active(pod));
    CHECK_INT(pod_ready_since_ms(pod), 10000);
    CHECK(pod_is_available(pod, 0, 0));
    CHECK(!pod_is_available(pod, 5, 14999));
    CHECK(pod_is_available(pod, 5, 15000));
    json_put_str(pod, "metadata.deletionTimestamp", "1970-01-01T00:00:20Z");
    CHECK(!pod_is_active(pod) && pod_is_deleting(pod) && !pod_is_terminal(pod));
    json_put_str(pod, "status.phase", "Failed");
    CHECK(pod_is_terminal(pod));
    condition_set(json_object_get(pod, "status"), "Ready", "False", NULL, NULL, 0);
    CHECK(!pod_is_ready(pod) && pod_ready_since_ms(pod) == -1);
}

TEST(pod_resources, init_steps_sidecars_and_overhead)
{
    cleanup(json_decrefpp) json_t *spec = tree_of(
        "{\"initContainers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\",\"memory\":\"1Mi\"}}},"
        "{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}},"
        "{\"resources\":{\"requests\":{\"cpu\":\"2\",\"x.io/gpu\":\"1\"}}}],"
        "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"}}},"
        "{\"resources\":{\"requests\":{\"memory\":\"64Mi\",\"ephemeral-storage\":\"1Gi\"}}}],"
        "\"overhead\":{\"cpu\":\"10m\"}}");
    cleanup(pod_resources_fini) struct pod_resources r = POD_RESOURCES_EMPTY;

    pod_resources_sum(&r, spec);
    CHECK_INT(r.cpu_milli, 2110);
    CHECK_INT(r.memory, 128 * 1048576);
    CHECK_INT(r.ephemeral, 1073741824);
    CHECK_INT(json_integer_value(json_object_get(r.extended, "x.io/gpu")), 1);
}

TEST(pod_resources, quality_of_service)
{
    static const struct {
        const char *spec, *qos;
    } cases[] = {
        { "{\"containers\":[{}]}", "BestEffort" },
        { "{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},"
          "\"requests\":{\"cpu\":\"1000m\",\"memory\":\"1Gi\"}}}]}",
          "Guaranteed" },
        { "{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},"
          "\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}},{}]}",
          "Burstable" },
        { "{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}", "Burstable" },
        { "{\"containers\":[{\"resources\":{\"requests\":{\"x.io/gpu\":\"1\"}}}]}", "BestEffort" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        cleanup(json_decrefpp) json_t *spec = tree_of(cases[i].spec);

        CHECK_STR(pod_qos(spec), cases[i].qos);
    }
}
