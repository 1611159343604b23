/* layer: api */
#include "tests/unit/server_fixture.h"

#define CORE "/api/v1/namespaces/default/events"
#define NEW  "/apis/events.k8s.io/v1/namespaces/default/events"
#define V1   "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
#define V2   "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"

#define EVENT                                                                                \
    "{'metadata':{'name':'e'},'eventTime':'2026-01-02T03:04:05.000000Z','reason':'Started'," \
    "'action':'Start','type':'Normal','note':'it runs','reportingController':'me',"          \
    "'reportingInstance':'me-1','regarding':{'kind':'Pod','namespace':'default','name':'p'}}"

TEST(alias, an_event_is_one_in_both_groups)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(POST(NEW "?fieldValidation=Strict", EVENT), 201);
    SAW_AT("apiVersion", "'events.k8s.io/v1'");
    SAW_AT("note", "'it runs'");
    SAW_AT("message", "");
    CHECK_INT(HTTP("GET", CORE "/e"), 200);
    SAW_AT("apiVersion", "'v1'");
    SAW_AT("message", "'it runs'");
    SAW_AT("involvedObject.name", "'p'");
    SAW_AT("reportingComponent", "'me'");
    SAW_AT("note", "");
    CHECK_INT(HTTP("GET", NEW), 200);
    SAW_AT("apiVersion", "'events.k8s.io/v1'");
    SAW_AT("items.0.regarding.name", "'p'");
    SAW_AT("items.0.apiVersion", "'events.k8s.io/v1'");
    CHECK_INT(HTTP("GET", CORE "?fieldSelector=involvedObject.name%3Dp"), 200);
    CHECK_INT(json_array_size(json_at(f.base.body, "items")), 1);
    CHECK_INT(HTTP("GET", NEW "?fieldSelector=regarding.name%3Dother"), 200);
    CHECK_INT(json_array_size(json_at(f.base.body, "items")), 0);
    server_fixture_down(&f);
}

TEST(alias, patches_speak_their_group_s_words)
{
    struct server_fixture f = { 0 };
    static const char *const merge = "application/merge-patch+json";

    server_fixture_up(&f);
    CHECK_INT(POST(NEW, EVENT), 201);
    CHECK_INT(REQUEST(.method = "PATCH", .path = NEW "/e", .type = merge,
                      .body = "{'series':{'count':2,'lastObservedTime':"
                              "'2026-01-02T03:05:05.000000Z'},'note':'again'}"),
              200);
    SAW_AT("note", "'again'");
    SAW_AT("series.count", "2");
    CHECK_INT(REQUEST(.method = "PATCH", .path = NEW "/e?fieldValidation=Strict", .type = merge,
                      .body = "{'message':'x'}"),
              400);
    CHECK_INT(REQUEST(.method = "PATCH", .path = NEW "/e?dryRun=All", .type = merge,
                      .body = "{'deprecatedCount':3}"),
              200);
    SAW_AT("deprecatedCount", "3");
    CHECK_INT(REQUEST(.method = "PATCH", .path = CORE "/e", .type = merge, .body = "{'count':5}"),
              200);
    CHECK_INT(HTTP("GET", NEW "/e"), 200);
    SAW_AT("deprecatedCount", "5");
    CHECK_INT(HTTP("DELETE", NEW "/e"), 200);
    CHECK_INT(HTTP("GET", CORE "/e"), 404);
    server_fixture_down(&f);
}

TEST(alias, watches_speak_it_too)
{
    struct server_fixture f = { 0 };
    struct stream s;

    server_fixture_up(&f);
    stream_open(&s, &f, NEW "?watch=true");
    CHECK_INT(POST(NEW, EVENT), 201);
    {
        cleanup(json_decrefpp) json_t *event = stream_next(&s);

        CHECK_STR(json_str(event, "object.apiVersion"), "events.k8s.io/v1");
        CHECK_STR(json_str(event, "object.note"), "it runs");
    }
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(alias, an_autoscaler_of_v1_has_the_cpu_s_metric)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(POST(V1, "{'metadata':{'name':'h'},'spec':{'maxReplicas':5,'scaleTargetRef':{'kind':"
                       "'Deployment','name':'web','apiVersion':'apps/v1'},"
                       "'targetCPUUtilizationPercentage':60}}"),
              201);
    SAW_AT("apiVersion", "'autoscaling/v1'");
    SAW_AT("spec.targetCPUUtilizationPercentage", "60");
    SAW_AT("spec.metrics", "");
    CHECK_INT(HTTP("GET", V2 "/h"), 200);
    SAW_AT("apiVersion", "'autoscaling/v2'");
    SAW_AT("spec.metrics", "[{'resource':{'name':'cpu','target':{'averageUtilization':60,"
                           "'type':'Utilization'}},'type':'Resource'}]");
    SAW_AT("spec.targetCPUUtilizationPercentage", "");
    CHECK_INT(REQUEST(.method = "PATCH", .path = V1 "/h", .type = "application/merge-patch+json",
                      .body = "{'spec':{'targetCPUUtilizationPercentage':70}}"),
              200);
    CHECK_INT(HTTP("GET", V2 "/h"), 200);
    SAW_AT("spec.metrics.0.resource.target.averageUtilization", "70");
    server_fixture_down(&f);
}

/* What kubectl would show of @path's annotation @key, or "". */
static const char *annotation(const struct server_fixture *f, const char *key)
{
    const char *text = json_string_value(
        json_object_get(json_at(f->base.body, "metadata.annotations"), key));

    return text != NULL ? text : "";
}

#define ALPHA "autoscaling.alpha.kubernetes.io/"

TEST(alias, what_v1_cannot_say_rides_in_annotations)
{
    static const char metrics[] =
        "[{\"type\":\"Resource\",\"resource\":{\"name\":\"memory\",\"targetAverageValue\":"
        "\"64Mi\"}},{\"type\":\"Pods\",\"pods\":{\"metricName\":\"rps\",\"targetAverageValue\":"
        "\"5\"}}]";
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(POST(V2, "{'metadata':{'name':'h'},'spec':{'maxReplicas':5,'scaleTargetRef':{'kind':"
                       "'Deployment','name':'web','apiVersion':'apps/v1'},'metrics':["
                       "{'type':'Resource','resource':{'name':'cpu','target':{'type':"
                       "'Utilization','averageUtilization':60}}},"
                       "{'type':'Resource','resource':{'name':'memory','target':{'type':"
                       "'AverageValue','averageValue':'64Mi'}}},"
                       "{'type':'Pods','pods':{'metric':{'name':'rps'},'target':{'type':"
                       "'AverageValue','averageValue':'5'}}}],"
                       "'behavior':{'scaleDown':{'stabilizationWindowSeconds':7}}}}"),
              201);
    CHECK_INT(HTTP("GET", V1 "/h"), 200);
    SAW_AT("spec.targetCPUUtilizationPercentage", "60");
    CHECK_STR(annotation(&f, ALPHA "metrics"), metrics);
    CHECK(strstr(annotation(&f, ALPHA "behavior"), "\"ScaleDown\":{") != NULL);
    CHECK(strstr(annotation(&f, ALPHA "behavior"), "\"StabilizationWindowSeconds\":7") != NULL);
    /* A change in v1's words loses nothing of it. */
    CHECK_INT(REQUEST(.method = "PATCH", .path = V1 "/h", .type = "application/merge-patch+json",
                      .body = "{'spec':{'targetCPUUtilizationPercentage':70}}"),
              200);
    CHECK_INT(HTTP("GET", V2 "/h"), 200);
    CHECK_INT(json_array_size(json_at(f.base.body, "spec.metrics")), 3);
    CHECK_STR(json_str(json_array_get(json_at(f.base.body, "spec.metrics"), 0),
                       "resource.target.averageValue"),
              "64Mi");
    CHECK_STR(
        json_str(json_array_get(json_at(f.base.body, "spec.metrics"), 0), "resource.target.type"),
        "AverageValue");
    CHECK_INT(json_int(json_array_get(json_at(f.base.body, "spec.metrics"), 2),
                       "resource.target.averageUtilization", 0),
              70);
    SAW_AT("spec.behavior.scaleDown.stabilizationWindowSeconds", "7");
    SAW_AT("metadata.annotations", "");
    server_fixture_down(&f);
}

TEST(alias, an_annotation_of_the_wrong_shape_is_refused)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(POST(V1, "{'metadata':{'name':'h','annotations':{'" ALPHA "metrics':"
                       "'[{\\\"type\\\":\\\"Resource\\\",\\\"resource\\\":{\\\"name\\\":5}}]'}},"
                       "'spec':{'maxReplicas':5,'scaleTargetRef':{'kind':'Deployment','name':"
                       "'web','apiVersion':'apps/v1'}}}"),
              400);
    server_fixture_down(&f);
}
