/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include "api/conditions.h"
#include "api/secret_store.h"
#include "base/bits.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define ES     "externalsecrets.external-secrets.io"
#define STORES "secretstores.external-secrets.io"
#define WHOLE  "clustersecretstores.external-secrets.io"
#define IT     &externalsecret_controller, "default", "db"

static void put_key(struct plan_fixture *f, const char *key, const char *value)
{
    plan_fixture_put_tree(f, "secrets", secret_store_tree(key, value, strlen(value)));
}

static void drop_key(struct plan_fixture *f, const char *key)
{
    char name[SECRET_STORE_NAME_MAX];
    const struct object *o;

    secret_store_name(name, key);
    o = store_get(f->store, "secrets", SECRET_STORE_NS, name);
    CHECK(o != NULL);
    /* The fixture removes from "default" only: an empty value under another key is as good. */
    plan_fixture_putf(f, "secrets",
                      "{'metadata': {'name': '%s', 'namespace': 'kube-system'}, 'data': {}}", name);
}

static void put_secret(struct plan_fixture *f, const char *spec)
{
    plan_fixture_putf(f, ES,
                      "{'metadata': {'name': 'db', 'generation': 1, 'labels': {'team': 'erp'}},"
                      " 'spec': {'secretStoreRef': {'name': 'aws'}, %s}}",
                      spec);
}

static void up(struct plan_fixture *f, const char *spec)
{
    plan_fixture_up(f);
    plan_fixture_put(f, STORES, "{'metadata': {'name': 'aws'}, 'spec': {'provider': {'aws': {}}}}");
    put_secret(f, spec);
}

static const char *ready(struct plan_fixture *f, const char *member)
{
    const json_t *tree = view_tree(f->view, plan_fixture_get(f, ES, "db"));

    return json_str_or(condition_get(json_object_get(tree, "status"), "Ready"), member, "");
}

/* The decoded member of a Secret; "" when it is not there. */
static const char *held(struct plan_fixture *f, const char *secret, const char *key)
{
    static char out[256];
    const struct object *o = plan_fixture_get(f, "secrets", secret);
    const json_t *data = o != NULL ? json_object_get(view_tree(f->view, o), "data") : NULL;
    const char *coded = json_string_value(json_object_get(data, key));
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    size_t bad;

    if (coded == NULL)
        return "";
    CHECK(bits_unbase64(&t, coded, strlen(coded), &bad));
    snprintf(out, sizeof(out), "%s", text_str(&t));
    return out;
}

static void settle(struct plan_fixture *f)
{
    plan_fixture_settle(f, IT, 6);
}

TEST(externalsecret, a_missing_key_is_named_and_helps_when_it_comes)
{
    struct plan_fixture f;

    up(&f, "'data': [{'secretKey': 'password', 'remoteRef': {'key': 'erp/db', 'property': 'pw'}}]");
    settle(&f);
    CHECK_STR(ready(&f, "status"), "False");
    CHECK_STR(ready(&f, "reason"), "SecretSyncedError");
    CHECK_STR(ready(&f, "message"), "could not get secret data from provider: error processing "
                                    "spec.data[0] (key: erp/db), err: Secret does not exist");
    plan_fixture_run(&f, IT);
    CHECK_INT(f.plan.n, 0);
    put_key(&f, "erp/db", "{\"user\":\"x\"}");
    settle(&f);
    CHECK_STR(ready(&f, "message"),
              "could not get secret data from provider: error processing spec.data[0] (key: "
              "erp/db), err: key pw does not exist in secret erp/db");
    put_key(&f, "erp/db", "{\"pw\":\"s3cret\"}");
    plan_fixture_run(&f, IT);
    CHECK(plan_fixture_event(&f, "Created", "Created Secret"));
    settle(&f);
    CHECK_STR(ready(&f, "status"), "True");
    CHECK_STR(ready(&f, "reason"), "SecretSynced");
    CHECK_STR(ready(&f, "message"), "Secret was synced");
    CHECK_STR(held(&f, "db", "password"), "s3cret");
    plan_fixture_run(&f, IT);
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, 3600 * 1000);
    plan_fixture_down(&f);
}

TEST(externalsecret, it_is_read_again_when_due_when_changed_and_when_somebody_meddled)
{
    struct plan_fixture f;

    up(&f, "'refreshInterval': '10s', 'data': [{'secretKey': 'a', 'remoteRef': {'key': 'k'}}]");
    put_key(&f, "k", "one");
    settle(&f);
    put_key(&f, "k", "two");
    settle(&f);
    CHECK_STR(held(&f, "db", "a"), "one");
    f.now.wall_ms += 10000;
    plan_fixture_run(&f, IT);
    CHECK(plan_fixture_event(&f, "Updated", "Updated Secret"));
    settle(&f);
    CHECK_STR(held(&f, "db", "a"), "two");
    plan_fixture_set(&f, "secrets", "db", "data.a", "'bWVkZGxlZA=='");
    settle(&f);
    CHECK_STR(held(&f, "db", "a"), "two");
    put_key(&f, "k", "three");
    plan_fixture_set(&f, ES, "db", "metadata.labels.team", "'other'");
    settle(&f);
    CHECK_STR(held(&f, "db", "a"), "three");
    f.now.wall_ms -= 60000; /* the clock went back: better once too often */
    put_key(&f, "k", "four");
    settle(&f);
    CHECK_STR(held(&f, "db", "a"), "four");
    plan_fixture_down(&f);
}

TEST(externalsecret, extract_takes_all_and_single_items_win)
{
    struct plan_fixture f;

    up(&f, "'dataFrom': [{'extract': {'key': 'all'}}], 'data': [{'secretKey': 'port', 'remoteRef':"
           " {'key': 'all', 'property': 'nested.list.1'}}, {'secretKey': 'bin', 'remoteRef': {"
           "'key': 'coded', 'decodingStrategy': 'Base64'}}]");
    put_key(&f, "all", "{\"user\":\"u\",\"port\":5432,\"a/b\":true,\"nested\":{\"list\":[1,22]}}");
    put_key(&f, "coded", "aGk=");
    settle(&f);
    CHECK_STR(held(&f, "db", "user"), "u");
    CHECK_STR(held(&f, "db", "port"), "22");
    CHECK_STR(held(&f, "db", "a_b"), "true");
    CHECK_STR(held(&f, "db", "nested"), "{\"list\":[1,22]}");
    CHECK_STR(held(&f, "db", "bin"), "hi");
    plan_fixture_down(&f);
}

TEST(externalsecret, templates_know_keys_and_nothing_else)
{
    struct plan_fixture f;
    const json_t *tree;

    up(&f,
       "'target': {'name': 'login', 'template': {'type': 'kubernetes.io/basic-auth', 'metadata':"
       " {'labels': {'of': '{{ .u }}'}}, 'data': {'url': 'db://{{ .u }}:{{.p}}@host'}}},"
       " 'dataFrom': [{'extract': {'key': 'k'}}]");
    put_key(&f, "k", "{\"u\":\"me\",\"p\":\"pw\"}");
    settle(&f);
    tree = view_tree(f.view, plan_fixture_get(&f, "secrets", "login"));
    CHECK_STR(held(&f, "login", "url"), "db://me:pw@host");
    CHECK_STR(held(&f, "login", "u"), "");
    CHECK_STR(json_str(tree, "type"), "kubernetes.io/basic-auth");
    CHECK_STR(json_str(tree, "metadata.labels.of"), "me");
    CHECK(json_at(tree, "metadata.labels.team") == NULL);
    plan_fixture_set(&f, ES, "db", "spec.target.template.data.url", "'{{ .u | upper }}'");
    plan_fixture_set(&f, ES, "db", "metadata.generation", "2");
    settle(&f);
    CHECK_STR(ready(&f, "message"),
              "could not apply template: url: only {{ .key }} is supported in "
              "templates here, not \"{{ .u | upper }}\"");
    plan_fixture_set(&f, ES, "db", "spec.target.template.data.url", "'{{ .other }}'");
    settle(&f);
    CHECK_STR(ready(&f, "message"),
              "could not apply template: url: map has no entry for key \"other\"");
    plan_fixture_down(&f);
}

TEST(externalsecret, what_this_store_cannot_do_is_refused)
{
    static const struct {
        const char *spec, *says;
    } rows[] = {
        { "'dataFrom': [{'find': {'name': {'regexp': 'x'}}}]",
          "error processing spec.dataFrom[0], err: find is not supported by this cluster's store: "
          "name each key with extract" },
        { "'data': [{'secretKey': 'a', 'remoteRef': {'key': 'k', 'version': 'v7'}}]",
          "error processing spec.data[0] (key: k), err: version is not supported: this cluster's "
          "store keeps the latest only" },
        { "'dataFrom': [{'sourceRef': {'generatorRef': {'kind': 'Password'}}}]",
          "error processing spec.dataFrom[0], err: generators are not supported by this cluster's "
          "store" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *whole = mem_fmt("could not get secret data from provider: %s",
                                             rows[i].says);
        struct plan_fixture f;

        up(&f, rows[i].spec);
        put_key(&f, "k", "v");
        plan_fixture_run(&f, IT);
        CHECK(plan_fixture_event(&f, "UpdateFailed", whole));
        settle(&f);
        CHECK_STR(ready(&f, "message"), whole);
        plan_fixture_down(&f);
    }
}

TEST(externalsecret, policies_say_whose_the_secret_is)
{
    struct plan_fixture f;

    up(&f, "'target': {'creationPolicy': 'Merge'}, 'data': [{'secretKey': 'a', 'remoteRef': {"
           "'key': 'k'}}]");
    put_key(&f, "k", "v");
    settle(&f);
    CHECK_STR(ready(&f, "message"),
              "the desired secret db was not found. With creationPolicy=Merge "
              "the secret won't be created");
    plan_fixture_put(&f, "secrets", "{'metadata': {'name': 'db'}, 'data': {'own': 'bWluZQ=='}}");
    settle(&f);
    CHECK_STR(held(&f, "db", "own"), "mine");
    CHECK_STR(held(&f, "db", "a"), "v");
    plan_fixture_set(&f, ES, "db", "spec.data", "[{'secretKey': 'b', 'remoteRef': {'key': 'k'}}]");
    plan_fixture_set(&f, ES, "db", "metadata.generation", "2");
    settle(&f);
    CHECK_STR(held(&f, "db", "own"), "mine");
    CHECK_STR(held(&f, "db", "a"), "");
    CHECK_STR(held(&f, "db", "b"), "v");
    plan_fixture_down(&f);
    up(&f, "'target': {'creationPolicy': 'None'}, 'data': [{'secretKey': 'a', 'remoteRef': {'key':"
           " 'k'}}]");
    put_key(&f, "k", "v");
    settle(&f);
    CHECK_STR(ready(&f, "status"), "True");
    CHECK(plan_fixture_get(&f, "secrets", "db") == NULL);
    plan_fixture_down(&f);
    up(&f, "'data': [{'secretKey': 'a', 'remoteRef': {'key': 'k'}}]");
    put_key(&f, "k", "v");
    plan_fixture_put(
        &f, "secrets",
        "{'metadata': {'name': 'db', 'ownerReferences': [{'kind': 'Other', 'name': 'o',"
        " 'uid': 'u', 'controller': true}]}}");
    settle(&f);
    CHECK_STR(ready(&f, "message"),
              "could not set ExternalSecret controller reference: Object default/db is already "
              "owned by another Other controller o");
    plan_fixture_down(&f);
}

TEST(externalsecret, deletion_policy_delete_takes_the_secret_with_its_keys)
{
    struct plan_fixture f;

    up(&f, "'refreshInterval': '1s', 'target': {'deletionPolicy': 'Delete'}, 'data': [{'secretKey':"
           " 'a', 'remoteRef': {'key': 'k'}}]");
    put_key(&f, "k", "v");
    settle(&f);
    CHECK_STR(held(&f, "db", "a"), "v");
    drop_key(&f, "k");
    f.now.wall_ms += 1000;
    settle(&f);
    CHECK(plan_fixture_get(&f, "secrets", "db") == NULL);
    CHECK_STR(ready(&f, "reason"), "SecretDeleted");
    plan_fixture_run(&f, IT);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}

TEST(externalsecret, stores_must_be_there_and_may_choose_namespaces)
{
    struct plan_fixture f;

    up(&f, "'data': [{'secretKey': 'a', 'remoteRef': {'key': 'k'}}]");
    put_key(&f, "k", "v");
    plan_fixture_set(&f, ES, "db", "spec.secretStoreRef",
                     "{'name':'all','kind':'ClusterSecretStore'}");
    settle(&f);
    CHECK_STR(ready(&f, "message"), "could not get secret store: "
                                    "ClusterSecretStore.external-secrets.io \"all\" not found");
    plan_fixture_put(&f, WHOLE,
                     "{'metadata': {'name': 'all', 'namespace': ''}, 'spec': {'conditions': [{"
                     "'namespaces': ['other']}, {'namespaceRegexes': ['^def-']}]}}");
    settle(&f);
    CHECK_STR(ready(&f, "message"), "using cluster store \"all\" is not allowed from namespace "
                                    "\"default\": denied by spec.condition");
    plan_fixture_put(&f, WHOLE,
                     "{'metadata': {'name': 'all', 'namespace': ''}, 'spec': {'conditions': [{"
                     "'namespaceRegexes': ['^def']}]}}");
    settle(&f);
    CHECK_STR(ready(&f, "status"), "True");
    plan_fixture_run(&f, &secretstore_controller, "default", "aws");
    CHECK_INT(plan_fixture_count(&f, PLAN_STATUS, STORES), 1);
    CHECK(plan_fixture_event(&f, "Valid", "store validated"));
    plan_fixture_apply(&f);
    plan_fixture_run(&f, &secretstore_controller, "default", "aws");
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}
