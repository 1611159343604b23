/* layer: api */
#include "tests/unit/server_fixture.h"

#define MAPS "/api/v1/namespaces/default/configmaps"

static char *revision_now(struct server_fixture *f)
{
    return mem_fmt("%llu", (unsigned long long)store_revision(f->base.s));
}

static void watch_from(struct stream *s, struct server_fixture *f, const char *path,
                       const char *revision)
{
    cleanup(freep) char *whole = mem_fmt("%s%swatch=true&resourceVersion=%s", path,
                                         strchr(path, '?') != NULL ? "&" : "?", revision);

    stream_open(s, f, whole);
}

TEST(server_watch, shows_what_is_there_then_what_changes)
{
    struct server_fixture f = { 0 };
    struct stream s;

    server_fixture_up(&f);
    CREATED(.body = CONFIG("a", "{}"));
    stream_open(&s, &f, MAPS "?watch=true");
    CHECK_EVENT(s, "ADDED a");
    CHECK_EVENT(s, "ADDED kube-root-ca.crt");
    CREATED(.body = CONFIG("b", "{}"));
    CHECK_EVENT(s, "ADDED b");
    MERGED(.name = "b", .body = "{'data':{'x':'y'}}");
    CHECK_EVENT(s, "MODIFIED b");
    DELETED(.name = "b");
    CHECK_EVENT(s, "DELETED b");
    CREATED(.ns = "kube-system", .body = CONFIG("elsewhere", "{}"));
    CREATED(.bucket = "secrets", .body = "{'metadata':{'name':'other'}}");
    CREATED(.body = CONFIG("c", "{}"));
    CHECK_EVENT(s, "ADDED c");
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(server_watch, goes_on_from_a_version)
{
    struct server_fixture f = { 0 };
    struct stream s;
    cleanup(freep) char *revision = NULL;

    server_fixture_up(&f);
    CREATED(.body = CONFIG("a", "{}"));
    revision = revision_now(&f);
    CREATED(.body = CONFIG("b", "{}"));
    DELETED(.name = "a");
    watch_from(&s, &f, MAPS, revision);
    CHECK_EVENT(s, "ADDED b");
    {
        cleanup(json_decrefpp) json_t *event = stream_next(&s);
        cleanup(freep) char *now = revision_now(&f);

        CHECK_STR(json_str(event, "type"), "DELETED");
        CHECK_STR(json_str(event, "object.metadata.name"), "a");
        CHECK_STR(json_str(event, "object.metadata.resourceVersion"), now);
    }
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(server_watch, all_namespaces_are_one_stream)
{
    struct server_fixture f = { 0 };
    struct stream s;
    cleanup(freep) char *revision = NULL;

    server_fixture_up(&f);
    revision = revision_now(&f);
    watch_from(&s, &f, "/api/v1/configmaps", revision);
    CREATED(.body = CONFIG("a", "{}"));
    CREATED(.ns = "kube-system", .body = CONFIG("b", "{}"));
    CHECK_EVENT(s, "ADDED a");
    CHECK_EVENT(s, "ADDED b");
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(server_watch, an_unknown_version_is_said)
{
    struct server_fixture f = { 0 };
    struct stream s;

    server_fixture_up(&f);
    watch_from(&s, &f, MAPS, "999999");
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.status, 504);
    CHECK(strstr(text_str(&s.text), "Too large resource version: 999999") != NULL);
    stream_close(&s);
    watch_from(&s, &f, MAPS, "x");
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.status, 400);
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(server_watch, too_old_is_an_event_that_ends_the_stream)
{
    struct server_fixture f = { 0 };
    struct stream s;

    server_fixture_up(&f);
    CREATED(.body = CONFIG("a", "{}"));
    for (int i = 0; i < 10050; i++) { /* more than the ring holds */
        cleanup(freep) char *body = mem_fmt("{'data':{'x':'%d'}}", i);

        MERGED(.name = "a", .body = body);
    }
    watch_from(&s, &f, MAPS, "5");
    CHECK_EVENT(s, "ERROR 410");
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.rc, 0);
    CHECK_INT(s.status, 200);
    stream_close(&s);
    server_fixture_down(&f);
}

/* --- selectors --- */

TEST(server_watch, entering_is_new_and_leaving_is_gone)
{
    struct server_fixture f = { 0 };
    struct stream s;
    cleanup(freep) char *revision = NULL;

    server_fixture_up(&f);
    CREATED(.body = CONFIG("a", "{}"));
    revision = revision_now(&f);
    watch_from(&s, &f, MAPS "?labelSelector=x%3D1", revision);
    MERGED(.name = "a", .body = "{'metadata':{'labels':{'x':'1'}}}");
    CHECK_EVENT(s, "ADDED a");
    MERGED(.name = "a", .body = "{'data':{'k':'v'}}");
    CHECK_EVENT(s, "MODIFIED a");
    MERGED(.name = "a", .body = "{'metadata':{'labels':{'x':'2'}}}");
    CHECK_EVENT(s, "DELETED a");
    MERGED(.name = "a", .body = "{'metadata':{'labels':{'x':'3'}}}"); /* not ours any more */
    DELETED(.name = "a");
    CREATED(.body = "{'metadata':{'name':'b','labels':{'x':'1'}}}");
    CHECK_EVENT(s, "ADDED b");
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(server_watch, a_pod_enters_its_node)
{
    struct server_fixture f = { 0 };
    struct stream s;
    cleanup(freep) char *revision = NULL;

    server_fixture_up(&f);
    CREATED(.bucket = "pods", .body = POD("p", ""));
    revision = revision_now(&f);
    watch_from(&s, &f, "/api/v1/pods?fieldSelector=spec.nodeName%3Dw1", revision);
    CREATED(.bucket = "pods", .sub = "binding", .name = "p", .body = "{'target':{'name':'w1'}}");
    CHECK_EVENT(s, "ADDED p");
    DELETED(.bucket = "pods", .name = "p", .grace = "0");
    CHECK_EVENT(s, "DELETED p");
    stream_close(&s);
    server_fixture_down(&f);
}

/* Who resumes behind a restart meets changes of which only the later state is known. */
TEST(server_watch, leaving_is_told_across_a_restart)
{
    struct server_fixture f = { 0 };
    struct stream s, named;
    cleanup(freep) char *revision = NULL;

    server_fixture_up(&f);
    CREATED(.body = "{'metadata':{'name':'a','labels':{'x':'1'}}}");
    CREATED(.body = "{'metadata':{'name':'b','labels':{'x':'1'}}}");
    revision = revision_now(&f);
    MERGED(.name = "a", .body = "{'metadata':{'labels':{'x':'2'}}}");
    MERGED(.name = "b", .body = "{'data':{'k':'v'}}");
    DELETED(.name = "b");
    server_fixture_restart(&f);
    watch_from(&s, &f, MAPS "?labelSelector=x%3D1", revision);
    CHECK_EVENT(s, "DELETED a");
    CHECK_EVENT(s, "MODIFIED b");
    CHECK_EVENT(s, "DELETED b");
    /* A name cannot have been another. */
    watch_from(&named, &f, MAPS "?fieldSelector=metadata.name%3Db", revision);
    CHECK_EVENT(named, "MODIFIED b");
    CHECK_EVENT(named, "DELETED b");
    stream_close(&named);
    stream_close(&s);
    server_fixture_down(&f);
}

/* --- bookmarks and initial events --- */

TEST(server_watch, bookmarks_come_only_when_asked_for)
{
    struct server_fixture f = { 0 };
    struct stream s;
    cleanup(freep) char *revision = NULL;

    server_fixture_up(&f);
    revision = revision_now(&f);
    watch_from(&s, &f, MAPS "?allowWatchBookmarks=true&timeoutSeconds=1", revision);
    {
        cleanup(json_decrefpp) json_t *event = stream_next(&s);

        CHECK_STR(json_str(event, "type"), "BOOKMARK");
        CHECK_STR(json_str(event, "object.kind"), "ConfigMap");
        CHECK_STR(json_str(event, "object.metadata.resourceVersion"), revision);
        CHECK(json_at(event, "object.metadata.name") == NULL);
    }
    CREATED(.bucket = "secrets", .body = "{'metadata':{'name':'other'}}");
    CHECK_EVENT(s, "BOOKMARK"); /* at the end, with the newest revision */
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.rc, 0);
    stream_close(&s);
    watch_from(&s, &f, MAPS "?timeoutSeconds=1", revision);
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.lines, 0);
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(server_watch, the_initial_events_have_an_end)
{
    struct server_fixture f = { 0 };
    struct stream s;

    server_fixture_up(&f);
    stream_open(&s, &f,
                MAPS "?watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
                     "&resourceVersionMatch=NotOlderThan&resourceVersion=1");
    CHECK_EVENT(s, "ADDED kube-root-ca.crt");
    {
        cleanup(json_decrefpp) json_t *event = stream_next(&s);

        CHECK_STR(json_str(event, "type"), "BOOKMARK");
        CHECK_STR(json_string_value(json_object_get(json_at(event, "object.metadata.annotations"),
                                                    "k8s.io/initial-events-end")),
                  "true");
    }
    CREATED(.body = CONFIG("a", "{}"));
    CHECK_EVENT(s, "ADDED a");
    stream_close(&s);
    stream_open(&s, &f, MAPS "?watch=true&sendInitialEvents=true");
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.status, 422);
    stream_close(&s);
    stream_open(&s, &f, MAPS "?watch=true&resourceVersionMatch=NotOlderThan&resourceVersion=1");
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.status, 422);
    stream_close(&s);
    server_fixture_down(&f);
}

/* --- forms --- */

TEST(server_watch, tables_show_their_columns_once)
{
    struct server_fixture f = { 0 };
    struct stream s;

    server_fixture_up(&f);
    stream_open_as(&s, &f, f.admin, MAPS "?watch=true",
                   "application/json;as=Table;v=v1;g=meta.k8s.io");
    {
        cleanup(json_decrefpp) json_t *event = stream_next(&s);

        CHECK_STR(json_str(event, "object.kind"), "Table");
        CHECK(json_array_size(json_at(event, "object.columnDefinitions")) > 0);
        CHECK_STR(json_string_value(tree_at(event, "object.rows.0.cells.0")), "kube-root-ca.crt");
    }
    CREATED(.body = CONFIG("a", "{}"));
    {
        cleanup(json_decrefpp) json_t *event = stream_next(&s);

        CHECK(json_at(event, "object.columnDefinitions") == NULL);
        CHECK_STR(json_string_value(tree_at(event, "object.rows.0.cells.0")), "a");
    }
    stream_close(&s);
    stream_open_as(&s, &f, f.admin, MAPS "?watch=true",
                   "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    {
        cleanup(json_decrefpp) json_t *event = stream_next(&s);

        CHECK_STR(json_str(event, "object.kind"), "PartialObjectMetadata");
        CHECK(json_at(event, "object.data") == NULL);
    }
    stream_close(&s);
    server_fixture_down(&f);
}

/* --- clients that leave, or do not read --- */

TEST(server_watch, clients_come_and_go)
{
    struct server_fixture f = { 0 };
    struct stream s[16];

    server_fixture_up(&f);
    for (size_t i = 0; i < N_ELEMENTS(s); i++)
        stream_open(&s[i], &f, MAPS "?watch=true");
    for (size_t i = 0; i < N_ELEMENTS(s); i++)
        CHECK_EVENT(s[i], "ADDED kube-root-ca.crt");
    for (size_t i = 0; i < N_ELEMENTS(s); i += 2)
        stream_close(&s[i]);
    CREATED(.body = CONFIG("a", "{}"));
    for (size_t i = 1; i < N_ELEMENTS(s); i += 2)
        CHECK_EVENT(s[i], "ADDED a");
    for (size_t i = 1; i < N_ELEMENTS(s); i += 2)
        stream_close(&s[i]);
    server_fixture_down(&f);
}

TEST(server_watch, the_end_of_the_server_is_a_clean_end)
{
    struct server_fixture f = { 0 };
    struct stream s;

    server_fixture_up(&f);
    stream_open(&s, &f, MAPS "?watch=true");
    CHECK_EVENT(s, "ADDED kube-root-ca.crt");
    server_fixture_stop(&f);
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK_INT(s.rc, 0);
    stream_close(&s);
    server_fixture_down(&f);
}

/* Writes go on at their pace, and the whole of them arrives. */
TEST(server_watch, many_large_changes_all_arrive)
{
    struct server_fixture f = { 0 };
    struct stream s;
    cleanup(freep) char *big = MEM_NEW_ARRAY(char, 100001);

    memset(big, 'x', 100000);
    server_fixture_up(&f);
    CREATED(.body = CONFIG("a", "{}"));
    stream_open(&s, &f, MAPS "?watch=true&fieldSelector=metadata.name%3Da");
    CHECK_EVENT(s, "ADDED a");
    for (int i = 0; i < 100; i++) {
        cleanup(freep) char *body = mem_fmt("{'data':{'x':'%d%s'}}", i, big);

        MERGED(.name = "a", .body = body);
    }
    for (int i = 0; i < 100; i++)
        CHECK_EVENT(s, "MODIFIED a");
    DELETED(.name = "a");
    CHECK_EVENT(s, "DELETED a");
    stream_close(&s);
    server_fixture_down(&f);
}
