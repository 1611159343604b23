/* layer: storage */
#include "storage/object.h"

#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>

static struct object *load(const char *json)
{
    struct err err = ERR_EMPTY;
    struct object *o = NULL;

    CHECK_INT(object_load(&o, "pods", 7, json, strlen(json), &err), 0);
    return o;
}

static const char pod_json[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-1\",\"namespace\":"
    "\"shop\","
    "\"uid\":\"u-1\",\"generation\":3,\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
    "\"finalizers\":[\"a/b\"],\"labels\":{\"tier\":\"front\",\"app\":\"web\",\"odd\":5},"
    "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n\",\"uid\":\"u-2\"},"
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"web\",\"uid\":\"u-3\","
    "\"controller\":true,\"blockOwnerDeletion\":true}]},"
    "\"spec\":{\"nodeName\":\"n1\"},\"status\":{\"phase\":\"Running\"}}";

TEST(object, load_keeps_the_bytes_and_indexes_them)
{
    cleanup(object_unrefp) struct object *o = load(pod_json);

    CHECK_STR(o->json, pod_json);
    CHECK_INT(o->json_len, strlen(pod_json));
    CHECK_STR(o->bucket, "pods");
    CHECK_INT(o->revision, 7);
    CHECK_INT(o->generation, 3);
    CHECK(o->deleting);
    CHECK(o->has_finalizers);
    CHECK_STR(o->ns, "shop");
    CHECK_STR(o->name, "web-1");
    CHECK_STR(o->uid, "u-1");
    CHECK_STR(o->node, "n1");
    CHECK_STR(o->phase, "Running");
}

TEST(object, labels_are_sorted_and_found)
{
    cleanup(object_unrefp) struct object *o = load(pod_json);

    CHECK_INT(o->n_labels, 2); /* a number is no label */
    CHECK_STR(o->labels[0].key, "app");
    CHECK_STR(o->labels[1].key, "tier");
    CHECK_STR(object_label(o, "app"), "web");
    CHECK_STR(object_label(o, "tier"), "front");
    CHECK(object_label(o, "odd") == NULL);
    CHECK(object_label(o, "") == NULL);
}

TEST(object, owners_are_listed_and_the_controller_found)
{
    cleanup(object_unrefp) struct object *o = load(pod_json);

    CHECK_INT(o->n_owners, 2);
    CHECK_STR(o->owners[0].uid, "u-2");
    CHECK_STR(o->owners[0].api_version, "v1");
    CHECK(!o->owners[0].controller);
    CHECK(object_controller(o) == &o->owners[1]);
    CHECK_STR(object_controller(o)->kind, "ReplicaSet");
    CHECK(object_controller(o)->block);
    CHECK(object_owned_by(o, "u-2"));
    CHECK(!object_owned_by(o, "u-1"));
}

TEST(object, what_is_absent_is_empty)
{
    cleanup(object_unrefp) struct object *o = load("{\"metadata\":{\"name\":\"x\"}}");

    CHECK_STR(o->ns, "");
    CHECK_STR(o->uid, "");
    CHECK_STR(o->node, "");
    CHECK_STR(o->phase, "");
    CHECK_INT(o->n_labels, 0);
    CHECK_INT(o->n_owners, 0);
    CHECK_INT(o->generation, 0);
    CHECK(!o->deleting && !o->has_finalizers);
    CHECK(object_controller(o) == NULL);
}

TEST(object, members_of_the_wrong_type_are_absent)
{
    cleanup(object_unrefp) struct object *o = load(
        "{\"metadata\":{\"name\":\"x\",\"labels\":[1],\"ownerReferences\":[7,{\"uid\":1}],"
        "\"generation\":\"3\",\"finalizers\":{}},\"spec\":5,\"status\":{\"phase\":[]}}");

    CHECK_INT(o->n_labels, 0);
    CHECK_INT(o->n_owners, 2);
    CHECK_STR(o->owners[1].uid, "");
    CHECK_INT(o->generation, 0);
    CHECK_STR(o->phase, "");
}

TEST(object, bytes_without_a_name_are_corrupt)
{
    static const char *const bad[] = { "",
                                       "{",
                                       "[]",
                                       "{}",
                                       "null",
                                       "{\"metadata\":{}}",
                                       "{\"metadata\":{\"name\":\"\"}}",
                                       "{\"metadata\":{\"name\":3}}",
                                       "{\"metadata\":{\"name\":\"x\"}} {}" };

    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        struct err err = ERR_EMPTY;
        struct object *o = NULL;

        CHECK_INT(object_load(&o, "pods", 1, bad[i], strlen(bad[i]), &err), ERR_CORRUPT);
        CHECK(o == NULL);
        CHECK(strstr(err.text, "pods") != NULL);
    }
}

TEST(object, new_prints_the_tree_with_its_revision)
{
    cleanup(json_decrefpp) json_t *tree = json_object();
    cleanup(object_unrefp) struct object *o = NULL;

    json_put_str(tree, "metadata.name", "x");
    o = object_new("nodes", 18446744073709551615u, tree);
    CHECK_STR(json_str(tree, "metadata.resourceVersion"), "18446744073709551615");
    CHECK_STR(o->json,
              "{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"18446744073709551615\"}}");
    CHECK_INT(o->json_len, strlen(o->json));
}

TEST(object, tree_is_a_fresh_copy)
{
    cleanup(object_unrefp) struct object *o = load(pod_json);
    cleanup(json_decrefpp) json_t *tree = object_tree(o);

    json_put_str(tree, "metadata.name", "changed");
    CHECK_STR(o->name, "web-1");
    CHECK_STR(o->json, pod_json);
}

TEST(object, references_keep_it_alive)
{
    struct object *o = load(pod_json);
    struct object *again = object_ref(o);

    CHECK(again == o);
    CHECK(object_unref(o) == NULL);
    CHECK_STR(again->name, "web-1");
    object_unref(again);
    CHECK(object_unref(NULL) == NULL);
}

TEST(object, footprint_covers_index_and_bytes)
{
    cleanup(object_unrefp) struct object *small = load("{\"metadata\":{\"name\":\"x\"}}");
    cleanup(object_unrefp) struct object *big = load(pod_json);

    CHECK(object_footprint(small) > sizeof(struct object) + small->json_len);
    CHECK(object_footprint(big) > object_footprint(small) + strlen(pod_json) - small->json_len);
    CHECK(object_footprint(big) < 2048);
}

TEST(object, a_lean_tree_is_the_tree_without_managed_fields)
{
    static const char json[] =
        "{\"metadata\":{\"name\":\"a\",\"managedFields\":[{\"x\":\"}]\\\"\",\"y\":[1,{}]}],"
        "\"labels\":{\"managedFields\":\"kept\"}},\"spec\":{\"managedFields\":[1]},"
        "\"managedFields\":2}";
    struct err err = ERR_EMPTY;
    cleanup(object_unrefp) struct object *o = NULL;
    cleanup(json_decrefpp) json_t *lean = NULL;
    cleanup(json_decrefpp) json_t *whole = NULL;

    CHECK_INT(object_load(&o, "things", 1, json, strlen(json), &err), 0);
    whole = object_tree(o);
    lean = object_tree_lean(o);
    CHECK(json_at(whole, "metadata.managedFields") != NULL);
    CHECK(json_at(lean, "metadata.managedFields") == NULL);
    json_del(whole, "metadata.managedFields");
    CHECK(json_equal(whole, lean));
}
