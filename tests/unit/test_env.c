/* layer: nodeagent */
#include "base/mem.h"
#include "nodeagent/env.h"
#include "nodeagent/service_env.h"
#include "tests/lib/test.h"

#include <string.h>

static json_t *parse(const char *text)
{
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    CHECK_INT(json_parse(&tree, text, strlen(text), NULL, &err), 0);
    return tree;
}

static const json_t *find(void *arg, const char *kind, const char *name)
{
    return json_object_get(json_object_get(arg, kind), name);
}

struct fixture {
    struct pod_view *pod;
    json_t *objects;
    struct env_list env, services;
    struct err err;
    int rc;
};

static void up(struct fixture *f, const char *container)
{
    static const struct pod_surroundings around = { .node_name = "n1",
                                                    .host_ip = "10.0.0.1",
                                                    .pod_ip = "10.1.0.5" };
    cleanup(freep) char *text = mem_fmt(
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u1\",\"labels\":{\"app\":"
        "\"web\"}},"
        "\"spec\":{\"serviceAccountName\":\"sa\",\"containers\":[%s]}}",
        container);
    struct env_sources sources = { .find = find, .around = &around };

    memset(f, 0, sizeof(*f));
    CHECK_INT(pod_view_new(&f->pod, parse(text), &f->err), 0);
    f->objects = parse(
        "{\"configmaps\":{\"cm\":{\"kind\":\"ConfigMap\",\"data\":{\"a\":\"1\",\"b\":\"$(X)\"},"
        "\"binaryData\":{\"bin\":\"aGk=\"}}},"
        "\"secrets\":{\"s\":{\"kind\":\"Secret\",\"data\":{\"pw\":\"czNjcmV0\",\"user-name\":\"bWU="
        "\"}}}}");
    env_list_set(&f->services, "DB_SERVICE_HOST", "10.96.0.7");
    sources.arg = f->objects;
    sources.services = &f->services;
    f->rc = env_make(&f->env, f->pod, &f->pod->containers[0], &sources, &f->err);
}

static void down(struct fixture *f)
{
    pod_view_unref(f->pod);
    json_decref(f->objects);
    env_list_fini(&f->env);
    env_list_fini(&f->services);
}

TEST(env, expands_references_and_keeps_what_it_does_not_know)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "plain", "plain" },     { "$(A)", "one" },    { "a$(A)b$(B)c", "aoneb$(B)c" },
        { "$$(A)", "$(A)" },      { "$$$(A)", "$one" }, { "$A ${A}", "$A ${A}" },
        { "$(A", "$(A" },         { "$", "$" },         { "$()", "$()" },
        { "$($(A))", "$($(A))" },
    };
    struct env_list l = ENV_LIST_EMPTY;

    env_list_set(&l, "A", "one");
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        cleanup(freep) char *have = env_expand_list(cases[i].text, &l);

        CHECK_STR(have, cases[i].want);
    }
    env_list_fini(&l);
}

TEST(env, later_definitions_win_and_values_from_objects_are_not_expanded)
{
    struct fixture f;

    up(&f,
       "{\"name\":\"c\",\"envFrom\":[{\"configMapRef\":{\"name\":\"cm\"}},{\"prefix\":\"S_\","
       "\"secretRef\":{\"name\":\"s\"}}],"
       "\"env\":[{\"name\":\"a\",\"value\":\"2\"},{\"name\":\"X\",\"value\":\"$(a)-$(DB_SERVICE_"
       "HOST)\"},"
       "{\"name\":\"B\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"b\"}}}]}");
    CHECK_INT(f.rc, 0);
    CHECK_STR(env_list_get(&f.env, "a"), "2");
    CHECK_STR(env_list_get(&f.env, "X"), "2-10.96.0.7");
    CHECK_STR(env_list_get(&f.env, "B"), "$(X)");
    CHECK_STR(env_list_get(&f.env, "S_pw"), "s3cret");
    CHECK_STR(env_list_get(&f.env, "S_user-name"), "me");
    CHECK_STR(env_list_get(&f.env, "DB_SERVICE_HOST"), "10.96.0.7");
    down(&f);
}

TEST(env, fields_and_resources_are_filled_in)
{
    struct fixture f;

    up(&f,
       "{\"name\":\"c\",\"resources\":{\"limits\":{\"cpu\":\"1500m\",\"memory\":\"64Mi\"},"
       "\"requests\":{\"cpu\":\"250m\"}},\"env\":["
       "{\"name\":\"NAME\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}},"
       "{\"name\":\"IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}},"
       "{\"name\":\"NODE\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.nodeName\"}}},"
       "{\"name\":\"APP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['app']\"}}},"
       "{\"name\":\"CPU\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}},"
       "{\"name\":\"MILLI\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"requests.cpu\","
       "\"divisor\":\"1m\"}}},"
       "{\"name\":\"MEM\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.memory\","
       "\"divisor\":\"1Mi\"}}}]}");
    CHECK_INT(f.rc, 0);
    CHECK_STR(env_list_get(&f.env, "NAME"), "p");
    CHECK_STR(env_list_get(&f.env, "IP"), "10.1.0.5");
    CHECK_STR(env_list_get(&f.env, "NODE"), "n1");
    CHECK_STR(env_list_get(&f.env, "APP"), "web");
    CHECK_STR(env_list_get(&f.env, "CPU"), "2");
    CHECK_STR(env_list_get(&f.env, "MILLI"), "250");
    CHECK_STR(env_list_get(&f.env, "MEM"), "64");
    down(&f);
}

TEST(env, what_is_missing_is_named_unless_optional)
{
    static const struct {
        const char *container, *want;
    } cases[] = {
        { "{\"name\":\"c\",\"env\":[{\"name\":\"X\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":"
          "\"no\",\"key\":\"k\"}}}]}",
          "configmap \"no\" not found" },
        { "{\"name\":\"c\",\"env\":[{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":"
          "\"s\",\"key\":\"k\"}}}]}",
          "couldn't find key k in Secret ns/s" },
        { "{\"name\":\"c\",\"envFrom\":[{\"secretRef\":{\"name\":\"no\"}}]}",
          "secret \"no\" not found" },
        { "{\"name\":\"c\",\"env\":[{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":"
          "\"s\",\"key\":\"k\",\"optional\":true}}}],"
          "\"envFrom\":[{\"configMapRef\":{\"name\":\"no\",\"optional\":true}}]}",
          NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct fixture f;

        up(&f, cases[i].container);
        CHECK_INT(f.rc, cases[i].want == NULL ? 0 : ERR_NOT_FOUND);
        CHECK_STR(f.err.text, cases[i].want == NULL ? "" : cases[i].want);
        CHECK(env_list_get(&f.env, "X") == NULL);
        down(&f);
    }
}

TEST(service_env, speaks_as_docker_links_did)
{
    struct env_list l = ENV_LIST_EMPTY;
    json_t *service = parse(
        "{\"metadata\":{\"name\":\"my-db\"},\"spec\":{\"clusterIP\":\"10.96.0.7\",\"ports\":["
        "{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"},{\"port\":53,\"protocol\":\"UDP\"}]}"
        "}");

    service_env_add(&l, service);
    CHECK_STR(env_list_get(&l, "MY_DB_SERVICE_HOST"), "10.96.0.7");
    CHECK_STR(env_list_get(&l, "MY_DB_SERVICE_PORT"), "5432");
    CHECK_STR(env_list_get(&l, "MY_DB_SERVICE_PORT_SQL"), "5432");
    CHECK_STR(env_list_get(&l, "MY_DB_PORT"), "tcp://10.96.0.7:5432");
    CHECK_STR(env_list_get(&l, "MY_DB_PORT_5432_TCP_ADDR"), "10.96.0.7");
    CHECK_STR(env_list_get(&l, "MY_DB_PORT_53_UDP"), "udp://10.96.0.7:53");
    CHECK_STR(env_list_get(&l, "MY_DB_PORT_53_UDP_PROTO"), "udp");
    env_list_fini(&l);
    json_put_str(service, "spec.clusterIP", "None");
    service_env_add(&l, service);
    CHECK_INT(l.n, 0);
    json_decref(service);
}
