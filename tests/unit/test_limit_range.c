/* layer: api */
#include "api/limit_range.h"
#include "tests/unit/registry_fixture.h"

#define RANGE(limits) "{'metadata':{'name':'r'},'spec':{'limits':[" limits "]}}"

/* What one container with @resources meets in a range with @item. */
static const struct limit_row {
    const char *item, *resources, *want;
} limit_rows[] = {
    { "{'type':'Container','min':{'cpu':'100m'}}", "{'requests':{'cpu':'50m'}}",
      "minimum cpu usage per Container is 100m, but request is 50m" },
    { "{'type':'Container','min':{'cpu':'100m'}}", "{'requests':{'cpu':'100m'}}", "" },
    { "{'type':'Container','min':{'cpu':'100m'}}", "{}",
      "minimum cpu usage per Container is 100m.  No request is specified" },
    { "{'type':'Container','min':{'cpu':'100m'}}",
      "{'requests':{'cpu':'200m'},'limits':{'cpu':'90m'}}",
      "minimum cpu usage per Container is 100m, but limit is 90m" },
    { "{'type':'Container','max':{'cpu':'1'}}", "{'limits':{'cpu':'2'}}",
      "maximum cpu usage per Container is 1, but limit is 2" },
    { "{'type':'Container','max':{'cpu':'1'}}", "{'requests':{'cpu':'1'}}",
      "maximum cpu usage per Container is 1.  No limit is specified" },
    { "{'type':'Container','max':{'memory':'1Gi'}}",
      "{'requests':{'memory':'2Gi'},'limits':{'memory':'1Gi'}}",
      "maximum memory usage per Container is 1Gi, but request is 2Gi" },
    { "{'type':'Container','maxLimitRequestRatio':{'cpu':'2'}}",
      "{'requests':{'cpu':'100m'},'limits':{'cpu':'300m'}}",
      "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000" },
    { "{'type':'Container','maxLimitRequestRatio':{'cpu':'3'}}",
      "{'requests':{'cpu':'100m'},'limits':{'cpu':'300m'}}", "" },
    { "{'type':'Container','maxLimitRequestRatio':{'cpu':'2'}}", "{'limits':{'cpu':'300m'}}",
      "cpu max limit to request ratio per Container is 2, but no request is specified or request "
      "is 0" },
    { "{'type':'Container','maxLimitRequestRatio':{'cpu':'2'}}", "{'requests':{'cpu':'1'}}",
      "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is "
      "0" },
    { "{'type':'Pod','max':{'cpu':'1'}}", "{'limits':{'cpu':'2'}}",
      "maximum cpu usage per Pod is 1, but limit is 2" },
    { "{'type':'Pod','min':{'cpu':'1','memory':'1Gi'}}", "{'requests':{'cpu':'500m'}}",
      "[minimum cpu usage per Pod is 1, but request is 500m, minimum memory usage per Pod is "
      "1Gi.  No request is specified]" },
    { "{'type':'PersistentVolumeClaim','min':{'storage':'1Gi'}}", "{}", "" },
};

TEST(limit_range, containers_and_pods_are_held_against_each_bound)
{
    for (size_t i = 0; i < N_ELEMENTS(limit_rows); i++) {
        const struct limit_row *row = &limit_rows[i];
        cleanup(freep) char *range = mem_fmt("{'spec':{'limits':[%s]}}", row->item);
        cleanup(freep) char *pod = mem_fmt("{'spec':{'containers':[{'name':'c','resources':%s}]}}",
                                           row->resources);
        cleanup(json_decrefpp) json_t *r = quoted(range);
        cleanup(json_decrefpp) json_t *p = quoted(pod);
        cleanup(text_fini) struct text why = TEXT_EMPTY;

        limit_range_check_pod(&why, p, r);
        CHECK_STR(text_str(&why), row->want);
    }
}

TEST(limit_range, a_pod_is_as_large_as_its_largest_moment)
{
    cleanup(json_decrefpp)
        json_t *r = quoted("{'spec':{'limits':[{'type':'Pod','max':{'cpu':'1'}}]}}");
    cleanup(json_decrefpp) json_t *p = quoted(
        "{'spec':{'containers':[{'name':'a','resources':{'limits':{'cpu':'400m'}}},"
        "{'name':'b','resources':{'limits':{'cpu':'400m'}}}],'initContainers':["
        "{'name':'s','restartPolicy':'Always','resources':{'limits':{'cpu':'100m'}}},"
        "{'name':'i','resources':{'limits':{'cpu':'950m'}}}]}}");
    cleanup(text_fini) struct text why = TEXT_EMPTY;

    limit_range_check_pod(&why, p, r);
    CHECK_STR(text_str(&why), "maximum cpu usage per Pod is 1, but limit is 1050m");
}

TEST(limit_range, claims_are_held_by_what_they_request)
{
    static const struct limit_row rows[] = {
        { "{'storage':'1Gi'}", "{'storage':'2Gi'}", "" },
        { "{'storage':'4Gi'}", "{'storage':'2Gi'}",
          "minimum storage usage per PersistentVolumeClaim is 4Gi, but request is 2Gi" },
        { "{'storage':'1Gi'}", "{'storage':'20Gi'}",
          "maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 20Gi" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *range = mem_fmt("{'spec':{'limits':[{'type':'PersistentVolumeClaim',"
                                             "'min':%s,'max':{'storage':'10Gi'}}]}}",
                                             rows[i].item);
        cleanup(freep) char *claim = mem_fmt("{'spec':{'resources':{'requests':%s}}}",
                                             rows[i].resources);
        cleanup(json_decrefpp) json_t *r = quoted(range);
        cleanup(json_decrefpp) json_t *c = quoted(claim);
        cleanup(text_fini) struct text why = TEXT_EMPTY;

        limit_range_check_claim(&why, c, r);
        CHECK_STR(text_str(&why), rows[i].want);
    }
}

TEST(limit_range, defaults_are_given_and_noted)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "limitranges",
                     .body = RANGE("{'type':'Container','default':{'cpu':'500m','memory':'1Gi'},"
                                   "'defaultRequest':{'cpu':'100m'}}")),
              201);
    CHECK_INT(json_array_size(f.warnings), 0);
    CHECK_INT(CREATE(.bucket = "pods",
                     .body = "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'a',"
                             "'image':'i'},{'name':'b','image':'i','resources':{'requests':"
                             "{'cpu':'200m'},'limits':{'memory':'2Gi'}}}],"
                             "'initContainers':[{'name':'c','image':'i'}]}}"),
              201);
    CHECK_AT("spec.containers.0.resources",
             "{'limits':{'cpu':'500m','memory':'1Gi'},'requests':{'cpu':'100m','memory':'1Gi'}}");
    CHECK_AT("spec.containers.1.resources",
             "{'limits':{'cpu':'500m','memory':'2Gi'},'requests':{'cpu':'200m','memory':'2Gi'}}");
    CHECK_AT("spec.initContainers.0.resources.limits", "{'cpu':'500m','memory':'1Gi'}");
    CHECK_STR(json_string_value(json_object_get(json_at(f.body, "metadata.annotations"),
                                                "kubernetes.io/limit-ranger")),
              "LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for "
              "container a; cpu limit for container b; cpu, memory request for init container c; "
              "cpu, memory limit for init container c");
    CHECK_AT("status.qosClass", "'Burstable'");
    registry_fixture_down(&f);
}

TEST(limit_range, every_range_of_the_namespace_has_its_say)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "limitranges",
                     .body = "{'metadata':{'name':'a'},'spec':{'limits':[{'type':'Container',"
                             "'min':{'cpu':'100m'}}]}}"),
              201);
    CHECK_INT(CREATE(.bucket = "limitranges",
                     .body = "{'metadata':{'name':'b'},'spec':{'limits':[{'type':'Pod',"
                             "'max':{'cpu':'1'}},{'type':'PersistentVolumeClaim',"
                             "'max':{'storage':'1Gi'}}]}}"),
              201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", ",'nodeSelector':{'a':'b'}")), 403);
    CHECK_SAYS("pods \"p\" is forbidden: maximum cpu usage per Pod is 1.  No limit is specified");
    CHECK_INT(CREATE(.bucket = "pods", .body = "{'metadata':{'name':'p'},'spec':{'containers':[{"
                                               "'name':'c','image':'i','resources':{'limits':"
                                               "{'cpu':'50m'}}}]}}"),
              403);
    CHECK_SAYS("pods \"p\" is forbidden: minimum cpu usage per Container is 100m, but request is "
               "50m");
    CHECK_INT(CREATE(.bucket = "persistentvolumeclaims",
                     .body = "{'metadata':{'name':'v'},'spec':{'accessModes':['ReadWriteOnce'],"
                             "'resources':{'requests':{'storage':'2Gi'}}}}"),
              403);
    CHECK_SAYS("persistentvolumeclaims \"v\" is forbidden: maximum storage usage per "
               "PersistentVolumeClaim is 1Gi, but request is 2Gi");
    CHECK_INT(CREATE(.bucket = "pods", .ns = "kube-system", .body = POD("p", "")), 201);
    registry_fixture_down(&f);
}

TEST(limit_range, bounds_that_contradict_each_other_are_refused)
{
    static const struct {
        const char *item, *want; /* after the path of the item */
    } rows[] = {
        { "{'type':'Container','min':{'cpu':'2'},'max':{'cpu':'1'},'default':{'cpu':'1'},"
          "'defaultRequest':{'cpu':'1'}}",
          "[min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1, "
          "defaultRequest[cpu]: Invalid value: \"1\": min value 2 is greater than default request "
          "value 1, default[cpu]: Invalid value: \"2\": min value 2 is greater than default value "
          "1]" },
        { "{'type':'Container','defaultRequest':{'cpu':'2'},'default':{'cpu':'1'}}",
          "defaultRequest[cpu]: Invalid value: \"2\": default request value 2 is greater than "
          "default limit value 1" },
        { "{'type':'Container','maxLimitRequestRatio':{'cpu':'500m'}}",
          "maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m is less than 1" },
        { "{'type':'Container','min':{'cpu':'1'},'max':{'cpu':'2'},"
          "'maxLimitRequestRatio':{'cpu':'3'}}",
          "maxLimitRequestRatio[cpu]: Invalid value: \"3\": ratio 3 is greater than max/min = "
          "2.000000" },
        { "{'type':'PersistentVolumeClaim','min':{'cpu':'1'}}",
          "limits: Required value: either minimum or maximum storage value is required, but "
          "neither was provided" },
        { "{'type':'Pod','default':{'cpu':'1'}}",
          "default: Forbidden: may not be specified when `type` is 'Pod'" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct registry_fixture f = { 0 };
        cleanup(freep) char *body = mem_fmt("{'metadata':{'name':'r'},'spec':{'limits':[%s]}}",
                                            rows[i].item);
        cleanup(text_fini) struct text said = TEXT_EMPTY;
        const char *rest;

        registry_fixture_up(&f);
        CHECK_INT(CREATE(.bucket = "limitranges", .body = body), 422);
        rest = json_str_or(f.body, "message", "") + strlen("LimitRange \"r\" is invalid: ");
        for (; *rest != '\0'; rest++)
            if (str_starts(rest, "spec.limits[0]."))
                rest += strlen("spec.limits[0].") - 1;
            else
                text_putc(&said, *rest);
        CHECK_STR(text_str(&said), rows[i].want);
        registry_fixture_down(&f);
    }
}
