/* layer: api */
#include "api/custom.h"
#include "api/openapi.h"
#include "api/table.h"
#include "tests/unit/registry_fixture.h"

/* Definitions come, objects of their kinds are written, definitions go. */

#define BUCKET "crontabs.stable.example.com"

#define VERSION(name, storage, more)                                                        \
    "{'name':'" name "','served':true,'storage':" storage                                   \
    ",'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'object',"  \
    "'required':['cron'],'properties':{'cron':{'type':'string','pattern':'^[0-9*/ ]+$'},"   \
    "'replicas':{'type':'integer','minimum':1,'default':1},'suspend':{'type':'boolean'}}}," \
    "'status':{'type':'object','properties':{'replicas':{'type':'integer'},"                \
    "'selector':{'type':'string'}}}}}}" more "}"

#define SUBS                                                                               \
    ",'subresources':{'status':{},'scale':{'specReplicasPath':'.spec.replicas',"           \
    "'statusReplicasPath':'.status.replicas','labelSelectorPath':'.status.selector'}},"    \
    "'additionalPrinterColumns':[{'name':'Spec','type':'string','jsonPath':'.spec.cron'}," \
    "{'name':'Replicas','type':'integer','jsonPath':'.spec.replicas'}],"                   \
    "'selectableFields':[{'jsonPath':'.spec.cron'}]"

#define DEFINITION_OF(plural, kind, group, more, versions)                                        \
    "{'metadata':{'name':'" plural "." group "'},'spec':{'group':'" group                         \
    "','scope':'Namespaced',"                                                                     \
    "'names':{'plural':'" plural "','kind':'" kind "','shortNames':['ct']},'versions':[" versions \
    "]" more "}}"

#define DEFINITION(versions) \
    DEFINITION_OF("crontabs", "CronTab", "stable.example.com", "", versions)

#define DEFINE(body_) CHECK_INT(CREATE(.bucket = CUSTOM_BUCKET, .ns = "", .body = body_), 201)
#define TAB(spec)     "{'metadata':{'name':'a'},'spec':{" spec "}}"

static void up(struct registry_fixture *f)
{
    registry_fixture_up(f);
}

static void down(struct registry_fixture *f)
{
    registry_fixture_down(f);
    CHECK_INT(custom_count(), 0);
    CHECK(custom_cached() == 0);
}

TEST(custom, a_definition_is_established_at_once)
{
    struct registry_fixture f = { 0 };

    up(&f);
    CHECK(schema_bucket(BUCKET) == NULL);
    DEFINE(DEFINITION(VERSION("v1", "true", SUBS)));
    CHECK_AT("status.conditions.0.type", "'NamesAccepted'");
    CHECK_AT("status.conditions.0.reason", "'NoConflicts'");
    CHECK_AT("status.conditions.1.type", "'Established'");
    CHECK_AT("status.conditions.1.status", "'True'");
    CHECK_AT("status.acceptedNames",
             "{'kind':'CronTab','listKind':'CronTabList','plural':'crontabs',"
             "'shortNames':['ct'],'singular':'crontab'}");
    CHECK_AT("status.storedVersions", "['v1']");
    CHECK(schema_resource("stable.example.com", "v1", "crontabs") == schema_bucket(BUCKET));
    CHECK(schema_by_api_version("stable.example.com/v1", "CronTab") == schema_bucket(BUCKET));
    CHECK(schema_sub(schema_bucket(BUCKET), "scale") != NULL);
    down(&f);
}

TEST(custom, objects_are_counted_by_quotas)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", "")));
    CHECK_INT(CREATE(.bucket = "resourcequotas",
                     .body = "{'metadata':{'name':'q'},'spec':{'hard':{'count/" BUCKET "':'1'}}}"),
              201);
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'*'")), 201);
    CHECK_INT(CREATE(.bucket = BUCKET, .body = "{'metadata':{'name':'b'},'spec':{'cron':'*'}}"),
              403);
    CHECK_SAYS("crontabs.stable.example.com \"b\" is forbidden: exceeded quota: q, requested: "
               "count/" BUCKET "=1, used: count/" BUCKET "=1, limited: count/" BUCKET "=1");
    CHECK_INT(DELETE(.bucket = BUCKET, .name = "a"), 200);
    CHECK(GET("resourcequotas", "default", "q"));
    CHECK_AT("status.used", "{'count/" BUCKET "':'0'}");
    down(&f);
}

TEST(custom, objects_are_pruned_filled_and_checked)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", SUBS)));
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'* * *','colour':'red'")), 201);
    CHECK_AT("spec", "{'cron':'* * *','replicas':1}");
    CHECK_AT("metadata.generation", "1");
    CHECK_INT(CREATE(.bucket = BUCKET, .validation = REGISTRY_STRICT,
                     .body = "{'metadata':{'name':'b','labls':{}},'spec':{'cron':'*','colour':1}}"),
              400);
    CHECK_SAYS("CronTab in version \"v1\" cannot be handled as a CronTab: strict decoding error: "
               "unknown field \"spec.colour\", unknown field \"metadata.labls\"");
    CHECK_INT(CREATE(.bucket = BUCKET, .body = "{'metadata':{'name':'b'},'spec':{'replicas':0}}"),
              422);
    CHECK_SAYS("CronTab.stable.example.com \"b\" is invalid: [spec.cron: Required value, "
               "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or "
               "equal to 1]");
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'x'")), 422);
    down(&f);
}

TEST(custom, status_and_spec_keep_apart)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", SUBS)));
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'*'")), 201);
    CHECK_INT(MERGE(.bucket = BUCKET, .name = "a", .sub = "status",
                    .body = "{'metadata':{'labels':{'x':'y'}},'spec':{'cron':'1'},"
                            "'status':{'replicas':4,'selector':'app=a'}}"),
              200);
    CHECK_AT("spec.cron", "'*'");
    CHECK_AT("status.replicas", "4");
    CHECK_AT("metadata.labels", "");
    CHECK_AT("metadata.generation", "1");
    CHECK_INT(MERGE(.bucket = BUCKET, .name = "a", .body = "{'spec':{'cron':'2'},'status':null}"),
              200);
    CHECK_AT("status.replicas", "4");
    CHECK_AT("metadata.generation", "2");
    down(&f);
}

TEST(custom, scale_stands_where_the_definition_says)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", SUBS)));
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'*'")), 201);
    CHECK_INT(MERGE(.bucket = BUCKET, .name = "a", .sub = "status",
                    .body = "{'status':{'replicas':4,'selector':'app=a'}}"),
              200);
    CHECK_INT(
        MERGE(.bucket = BUCKET, .name = "a", .sub = "scale", .body = "{'spec':{'replicas':3}}"),
        200);
    CHECK_AT("kind", "'Scale'");
    CHECK_AT("spec.replicas", "3");
    CHECK_AT("status", "{'replicas':4,'selector':'app=a'}");
    CHECK(GET(BUCKET, "default", "a"));
    CHECK_AT("spec.replicas", "3");
    down(&f);
}

TEST(custom, names_in_use_are_not_accepted_until_they_are_free)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", "")));
    DEFINE(DEFINITION_OF("others", "CronTab", "stable.example.com", "", VERSION("v1", "true", "")));
    CHECK_AT("status.conditions.0.status", "'False'");
    CHECK_AT("status.conditions.0.reason", "'ListKindConflict'");
    CHECK_AT("status.conditions.0.message", "'\\'CronTabList\\' is already in use'");
    CHECK_AT("status.conditions.1.reason", "'NotAccepted'");
    CHECK(schema_bucket("others.stable.example.com") == NULL);
    CHECK_INT(custom_count(), 1);
    down(&f);
}

TEST(custom, a_kind_of_our_own_is_not_replaced)
{
    struct registry_fixture f = { 0 };
    const struct schema_resource *own = schema_bucket("ingresses.networking.k8s.io");

    up(&f);
    CHECK_INT(CREATE(.bucket = CUSTOM_BUCKET, .ns = "",
                     .body = "{'metadata':{'name':'ingresses.networking.k8s.io','annotations':"
                             "{'api-approved.kubernetes.io':'https://x'}},'spec':{'group':"
                             "'networking.k8s.io','scope':'Namespaced','names':{'plural':"
                             "'ingresses','kind':'Ingress'},'versions':[" VERSION("v9", "true",
                                                                                  "") "]}}"),
              201);
    CHECK_AT("status.conditions.1.status", "'True'");
    CHECK(json_array_size(f.warnings) == 1);
    CHECK(str_starts(json_string_value(json_array_get(f.warnings, 0)),
                     "mkube serves ingresses.networking.k8s.io itself"));
    CHECK(schema_bucket("ingresses.networking.k8s.io") == own);
    CHECK(schema_resource("networking.k8s.io", "v9", "ingresses") == NULL);
    CHECK_INT(DELETE(.bucket = CUSTOM_BUCKET, .ns = "", .name = "ingresses.networking.k8s.io"),
              200);
    CHECK(schema_bucket("ingresses.networking.k8s.io") == own);
    down(&f);
}

#define RULED(rule)                                                                           \
    "{'metadata':{'name':'xs.e.org'},'spec':{'group':'e.org','scope':'Cluster','names':"      \
    "{'plural':'xs','kind':'X'},'versions':[{'name':'v1','served':true,'storage':true,"       \
    "'schema':{'openAPIV3Schema':{'type':'object','x-kubernetes-validations':[{'rule':'" rule \
    "'}],'properties':{'a':{'type':'integer'}}}}}]}}"

TEST(custom, rules_in_cel_hold)
{
    struct registry_fixture f = { 0 };

    up(&f);
    CHECK_INT(CREATE(.bucket = CUSTOM_BUCKET, .ns = "", .body = RULED("self.b < 9")), 422);
    CHECK(strstr(json_str_or(f.body, "message", ""), "undefined field 'b'") != NULL);
    DEFINE(RULED("self.a < 9"));
    CHECK(json_array_size(f.warnings) == 0);
    CHECK_INT(CREATE(.bucket = "xs.e.org", .ns = "", .body = "{'metadata':{'name':'x'},'a':3}"),
              201);
    CHECK_INT(CREATE(.bucket = "xs.e.org", .ns = "", .body = "{'metadata':{'name':'y'},'a':9}"),
              422);
    CHECK_STR(
        json_str_or(f.body, "message", ""),
        "X.e.org \"y\" is invalid: <nil>: Invalid value: \"object\": failed rule: self.a < 9");
    down(&f);
}

TEST(custom, versions_share_their_objects)
{
    struct registry_fixture f = { 0 };
    const struct schema_resource *old;
    const struct object *o;
    cleanup(json_decrefpp) json_t *tree = NULL;

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", "") "," VERSION("v1beta1", "false", "")));
    old = schema_resource("stable.example.com", "v1beta1", "crontabs");
    CHECK(old != NULL && !old->stored);
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'*'")), 201);
    CHECK_AT("apiVersion", "'stable.example.com/v1'");
    o = store_get(f.s, BUCKET, "default", "a");
    CHECK(custom_is_stale(old, o) && !custom_is_stale(schema_bucket(BUCKET), o));
    tree = object_tree(o);
    custom_refresh(old, tree);
    CHECK_STR(json_str(tree, "apiVersion"), "stable.example.com/v1beta1");
    down(&f);
}

TEST(custom, deletion_waits_for_the_finalizer)
{
    struct registry_fixture f = { 0 };
    const struct schema_resource *held;

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", "")));
    held = schema_bucket(BUCKET);
    custom_hold(held);
    CHECK_INT(DELETE(.bucket = CUSTOM_BUCKET, .ns = "", .name = BUCKET), 200);
    CHECK_AT("metadata.finalizers", "['customresourcecleanup.apiextensions.k8s.io']");
    CHECK_AT("status.conditions.2.type", "'Terminating'");
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'*'")), 405);
    CHECK_SAYS("create not allowed while custom resource definition is terminating");
    CHECK_INT(MERGE(.bucket = CUSTOM_BUCKET, .ns = "", .name = BUCKET,
                    .body = "{'metadata':{'finalizers':null}}"),
              200);
    CHECK(schema_bucket(BUCKET) == NULL);
    CHECK(custom_is_retired(held));
    CHECK_STR(held->kind, "CronTab"); /* still readable for who holds it */
    custom_release(held);
    down(&f);
}

TEST(custom, kinds_are_there_after_a_restart)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", SUBS)));
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'*'")), 201);
    registry_fixture_close(&f);
    CHECK(schema_bucket(BUCKET) == NULL);
    registry_fixture_open(&f);
    CHECK(schema_bucket(BUCKET) != NULL);
    CHECK_INT(MERGE(.bucket = BUCKET, .name = "a", .body = "{'spec':{'cron':'1'}}"), 200);
    down(&f);
}

TEST(custom, a_new_schema_fills_and_frees_what_was_there)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", "")));
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'*'")), 201);
    CHECK_INT(ASK(.verb = REGISTRY_PATCH, .patch = REGISTRY_JSON_PATCH, .bucket = CUSTOM_BUCKET,
                  .ns = "", .name = BUCKET,
                  .body = "[{'op':'add','path':'/spec/versions/0/schema/openAPIV3Schema/properties/"
                          "spec/properties/colour','value':{'type':'string','default':'red'}}]"),
              200);
    CHECK(custom_is_stale(schema_bucket(BUCKET), store_get(f.s, BUCKET, "default", "a")));
    CHECK_INT(MERGE(.bucket = BUCKET, .name = "a", .body = "{'metadata':{'labels':{'a':'b'}}}"),
              200);
    CHECK_AT("spec.colour", "'red'");
    CHECK_AT("metadata.generation", "1"); /* the reader saw red before, too */
    down(&f);
}

TEST(custom, tables_and_openapi_follow_the_definition)
{
    struct registry_fixture f = { 0 };
    struct text t = TEXT_EMPTY;
    struct table_opts opts = { .include = TABLE_NONE, .now_ms = FIXTURE_NOW_MS + 5000 };

    up(&f);
    DEFINE(DEFINITION(VERSION("v1", "true", SUBS)));
    CHECK_INT(CREATE(.bucket = BUCKET, .body = TAB("'cron':'*'")), 201);
    opts.resource = schema_bucket(BUCKET);
    table_row(&t, &opts, store_get(f.s, BUCKET, "default", "a"));
    CHECK_STR(text_str(&t), "{\"cells\":[\"a\",\"*\",1],\"object\":null}");
    text_clear(&t);
    CHECK(openapi_v3_document(&t, "apis/stable.example.com/v1"));
    CHECK(strstr(text_str(&t), "\"com.example.stable.v1.CronTab\":{") != NULL);
    CHECK(strstr(text_str(&t), "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta\":{") != NULL);
    text_clear(&t);
    CHECK(discovery_legacy(&t, "apis/stable.example.com/v1", "a:1"));
    CHECK(strstr(text_str(&t), "\"crontabs/scale\"") != NULL);
    CHECK(strstr(text_str(&t), "\"shortNames\":[\"ct\"]") != NULL);
    text_fini(&t);
    down(&f);
}

TEST(custom, definitions_that_are_wrong_are_refused)
{
    static const struct {
        const char *body, *want;
    } rows[] = {
        { "{'metadata':{'name':'a.e.org'},'spec':{'group':'e.org','scope':'Cluster','names':{'"
          "plural':"
          "'xs','kind':'X'},'versions':[{'name':'v1','served':true,'storage':true,'schema':"
          "{'openAPIV3Schema':{'type':'object'}}}]}}",
          "metadata.name: Invalid value: \"a.e.org\": must be "
          "spec.names.plural+\".\"+spec.group" },
#define ONE(schema)                                                                                \
    "{'metadata':{'name':'xs.e.org'},'spec':{'group':'e.org','scope':'Cluster','names':{'plural':" \
    "'xs','kind':'X'},'versions':[{'name':'v1','served':true,'storage':true,'schema':"             \
    "{'openAPIV3Schema':" schema "}}]}}"
        { ONE("{}"),
          "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the "
          "root" },
        { ONE("{'type':'object','properties':{'spec':{'properties':{'a':{'type':'string'}}}}}"),
          "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be "
          "empty "
          "for specified object fields" },
        { ONE("{'type':'object','properties':{'a':{'type':'array'}}}"),
          "spec.validation.openAPIV3Schema.properties[a].items: Required value: must be "
          "specified" },
        { ONE("{'type':'object','properties':{'a':{'type':'strin'}}}"),
          "spec.validation.openAPIV3Schema.properties[a].type: Unsupported value: \"strin\": "
          "supported "
          "values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"" },
        { ONE("{'type':'object','properties':{'a':{'type':'string','pattern':'['}}}"),
          "spec.validation.openAPIV3Schema.properties[a].pattern: Invalid value: \"[\": must be a "
          "valid "
          "regular expression, but isn't: error parsing regexp: missing closing ]: `[`" },
        { ONE("{'type':'object','properties':{'a':{'type':'integer','default':'x'}}}"),
          "spec.validation.openAPIV3Schema.properties[a].default: Invalid value: \"x\": Invalid "
          "value: \"string\":  in body must be of type integer: \"string\"" },
        { ONE("{'type':'object','properties':{'a':{'type':'object','anyOf':[{'type':'object'}]}}}"),
          "spec.validation.openAPIV3Schema.properties[a].anyOf[0].type: Forbidden: must be empty "
          "to be "
          "structural" },
        { ONE("{'type':'object','properties':{'a':{'type':'array','x-kubernetes-list-type':'map',"
              "'x-kubernetes-list-map-keys':['k'],'items':{'type':'object','properties':{'k':{'"
              "type':"
              "'string'}}}}}}"),
          "spec.validation.openAPIV3Schema.properties[a].items.properties[k].default: Required "
          "value: "
          "this property is in x-kubernetes-list-map-keys, so it must have a default or be a "
          "required "
          "property" },
        { "{'metadata':{'name':'xs.x.k8s.io'},'spec':{'group':'x.k8s.io','scope':'Cluster','names':"
          "{'plural':'xs','kind':'X'},'versions':[{'name':'v1','served':true,'storage':true,'"
          "schema':"
          "{'openAPIV3Schema':{'type':'object'}}}]}}",
          "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must "
          "have "
          "approval annotation \"api-approved.kubernetes.io\", see "
          "https://github.com/kubernetes/enhancements/pull/1111" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct registry_fixture f = { 0 };
        const char *colon;

        up(&f);
        CHECK_INT(CREATE(.bucket = CUSTOM_BUCKET, .ns = "", .body = rows[i].body), 422);
        colon = strstr(json_str_or(f.body, "message", ""), "is invalid: ");
        if (colon == NULL || !str_eq(colon + strlen("is invalid: "), rows[i].want))
            test_failed(rows[i].want, json_str_or(f.body, "message", ""), (int)i);
        down(&f);
    }
}
