/* layer: api
 * metadata.managedFields as the registry keeps them: who is noted, what is forgotten, what costs
 * nothing. */
#include "api/managed.h"
#include "tests/unit/registry_fixture.h"

/* --- sets --- */

static const char *const managed_sets[] = {
    "{}",
    "{'f:a':{},'f:b':{'.':{},'f:c':{}}}",
    "{'f:l':{'.':{},'k:{\\'a\\':1,\\'b\\':\\'x\\'}':{'.':{},'f:v':{}},'v:\\'z\\'':{},'i:3':{}}}",
    "{'f:a':{},'k:{\\'n\\':1}':{},'v:1.5':{},'v:2':{},'v:\\'s\\'':{},'v:true':{},'v:null':{},'i:0':"
    "{}}",
};

TEST(managed, sets_are_written_as_they_were_read)
{
    for (size_t i = 0; i < N_ELEMENTS(managed_sets); i++) {
        cleanup(field_arena_freep) struct field_arena *arena = field_arena_new();
        cleanup(json_decrefpp) json_t *in = quoted(managed_sets[i]);
        cleanup(json_decrefpp) json_t *out = NULL;
        cleanup(freep) char *a = json_print(in, NULL);
        cleanup(freep) char *b = NULL;
        const struct field_set *set;
        struct err err = ERR_EMPTY;

        CHECK_INT(field_set_parse(&set, arena, in, &err), 0);
        out = field_set_json(set);
        b = json_print(out, NULL);
        CHECK_STR(b, a);
    }
}

TEST(managed, sets_that_mean_nothing_are_refused)
{
    static const char *const bad[] = { "{'nocolon':{}}", "{'':{}}",      "{'i:x':{}}",
                                       "{'v:{':{}}",     "{'k:[1]':{}}", "{'k:x':{}}" };

    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        cleanup(field_arena_freep) struct field_arena *arena = field_arena_new();
        cleanup(json_decrefpp) json_t *in = quoted(bad[i]);
        const struct field_set *set;
        struct err err = ERR_EMPTY;

        CHECK_INT(field_set_parse(&set, arena, in, &err), ERR_INVALID);
    }
}

/* --- entries --- */

#define MANAGED_MAP(data) "{'metadata':{'name':'m'},'data':" data "}"

TEST(managed, a_write_notes_its_manager_and_an_empty_one_changes_no_time)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "configmaps", .body = MANAGED_MAP("{'a':'1'}")), 201);
    CHECK_AT("metadata.managedFields",
             "[{'apiVersion':'v1','fieldsType':'FieldsV1','fieldsV1':{'f:data':{'.':{},'f:a':{}}},"
             "'manager':'kube-apiserver','operation':'Update','time':'2026-01-02T03:04:05Z'}]");
    f.now_ms += 60000;
    CHECK_INT(UPDATE(.bucket = "configmaps", .name = "m", .body = MANAGED_MAP("{'a':'1'}")), 200);
    CHECK_AT("metadata.managedFields.0.time", "'2026-01-02T03:04:05Z'");
    CHECK_INT(UPDATE(.bucket = "configmaps", .name = "m", .body = MANAGED_MAP("{'b':'1'}")), 200);
    CHECK_AT("metadata.managedFields.0.time", "'2026-01-02T03:05:05Z'");
    CHECK_AT("metadata.managedFields.0.fieldsV1", "{'f:data':{'.':{},'f:b':{}}}");
    registry_fixture_down(&f);
}

TEST(managed, an_empty_list_forgets_and_nonsense_is_ignored)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "configmaps", .body = MANAGED_MAP("{'a':'1'}")), 201);
    CHECK_INT(UPDATE(.bucket = "configmaps", .name = "m",
                     .body = "{'metadata':{'name':'m','managedFields':[{'manager':'x'}]},"
                             "'data':{'a':'1'}}"),
              200);
    CHECK_AT("metadata.managedFields.0.manager", "'kube-apiserver'");
    CHECK_INT(UPDATE(.bucket = "configmaps", .name = "m",
                     .body = "{'metadata':{'name':'m','managedFields':[]},'data':{'a':'1'}}"),
              200);
    CHECK_AT("metadata.managedFields", "");
    CHECK_INT(UPDATE(.bucket = "configmaps", .name = "m", .body = MANAGED_MAP("{'a':'2'}")), 200);
    CHECK_AT("metadata.managedFields", ""); /* nobody is noted until the first apply */
    registry_fixture_down(&f);
}

TEST(managed, a_patch_may_write_the_list_itself)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "configmaps", .body = MANAGED_MAP("{'a':'1'}")), 201);
    CHECK_INT(ASK(.verb = REGISTRY_PATCH, .patch = REGISTRY_JSON_PATCH, .bucket = "configmaps",
                  .name = "m",
                  .body = "[{'op':'replace','path':'/metadata/managedFields/0/manager',"
                          "'value':'mine'}]"),
              200);
    CHECK_AT("metadata.managedFields.0.manager", "'mine'");
    CHECK_INT(ASK(.verb = REGISTRY_PATCH, .patch = REGISTRY_JSON_PATCH, .bucket = "configmaps",
                  .name = "m",
                  .body = "[{'op':'replace','path':'/metadata/managedFields','value':[{}]}]"),
              200);
    CHECK_AT("metadata.managedFields", "");
    registry_fixture_down(&f);
}

/* --- many --- */

static bool managed_test_place(void *arg, struct typed_place *ret, const char *api_version)
{
    (void)arg;
    *ret = typed_of_type(schema_type("core/v1.ConfigMap"));
    return str_eq(api_version, "v1");
}

static json_t *managed_test_convert(void *arg, const json_t *tree, const char *from, const char *to)
{
    (void)arg;
    (void)from;
    (void)to;
    return json_deep_copy(tree);
}

TEST(managed, old_updates_are_merged_past_ten)
{
    struct managed_write w = { .api_version = "v1", .subresource = "", .now = "" };
    cleanup(json_decrefpp) json_t *live = json_object();
    cleanup(json_decrefpp) json_t *list = NULL;
    struct err err = ERR_EMPTY;
    size_t n = 0;

    for (int i = 0; i < 14; i++) {
        cleanup(json_decrefpp) json_t *next = json_deep_copy(live);
        cleanup(json_decrefpp) json_t *before = list;
        cleanup(freep) char *name = mem_fmt("m%02d", i);
        cleanup(freep) char *now = mem_fmt("2026-01-02T03:04:%02dZ", i);
        cleanup(freep) char *path = mem_fmt("data.k%02d", i);
        struct managed_versions versions = { managed_test_place, managed_test_convert, NULL };
        struct managed m;

        managed_init(&m);
        CHECK_INT(managed_load(&m, before, &err), 0);
        json_put_str(next, path, "v");
        w.versions = &versions;
        w.manager = name;
        w.now = now;
        managed_update(&m, &w, live, next);
        list = managed_json(&m);
        n = m.n;
        managed_fini(&m);
        json_decref(live);
        live = json_incref(next);
    }
    CHECK_INT(n, MANAGED_UPDATES_MAX);
    CHECK_STR(json_str(json_array_get(list, 0), "manager"), "ancient-changes");
    CHECK_INT(json_object_size(json_at(json_array_get(list, 0), "fieldsV1.f:data")), 6);
}
