/* layer: api */
#include "tests/unit/server_fixture.h"

#define MAPS "/api/v1/namespaces/default/configmaps"
#define META "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

/* m000, m001, ... of about a kilobyte each. */
static void make_big_maps(struct server_fixture *f, int from, int n)
{
    char text[1025];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = from; i < from + n; i++) {
        cleanup(freep) char *body = mem_fmt("{'metadata':{'name':'m%03d','labels':{'odd':'%d'}},"
                                            "'data':{'text':'%s'}}",
                                            i, i % 2, text);

        CHECK_INT(registry_fixture_ask(&f->base, (struct ask){ .body = body }), 201);
    }
}

/* The names of the last answer's items, " m000 m001". */
static char *listed(struct server_fixture *f)
{
    struct text t = TEXT_EMPTY;
    size_t i;
    json_t *item;

    json_array_foreach (json_at(f->base.body, "items"), i, item)
        text_fmt(&t, " %s", json_str_or(item, "metadata.name", "?"));
    return text_take(&t);
}

#define LISTED(want)                            \
    do {                                        \
        cleanup(freep) char *got_ = listed(&f); \
        CHECK_STR(got_, want);                  \
    } while (0)

static char *next_page(struct server_fixture *f, const char *query)
{
    return mem_fmt(MAPS "?%s&continue=%s", query,
                   json_str_or(f->base.body, "metadata.continue", "none"));
}

TEST(server_list, pages_show_what_was_there_when_the_list_began)
{
    struct server_fixture f = { 0 };
    cleanup(freep) char *second = NULL;
    cleanup(freep) char *third = NULL;
    cleanup(freep) char *version = NULL;

    server_fixture_up(&f);
    make_big_maps(&f, 0, 5);
    CHECK_INT(HTTP("GET", MAPS "?limit=2"), 200);
    LISTED(" kube-root-ca.crt m000");
    SAW_AT("metadata.remainingItemCount", "4");
    version = mem_str(json_str(f.base.body, "metadata.resourceVersion"));
    second = next_page(&f, "limit=2");
    CHECK_INT(HTTP("DELETE", MAPS "/m000"), 200);
    CHECK_INT(HTTP("DELETE", MAPS "/m002"), 200);
    CHECK_INT(REQUEST(.method = "PATCH", .path = MAPS "/m001", .raw = "{\"data\":{\"new\":\"1\"}}",
                      .type = "application/merge-patch+json"),
              200);
    make_big_maps(&f, 5, 1);
    CHECK_INT(HTTP("GET", second), 200);
    LISTED(" m001 m002");
    SAW_AT("items.0.data.new", "");
    SAW_AT("metadata.remainingItemCount", "2");
    CHECK_STR(json_str(f.base.body, "metadata.resourceVersion"), version);
    third = next_page(&f, "limit=2");
    CHECK_INT(HTTP("GET", third), 200);
    LISTED(" m003 m004");
    SAW_AT("metadata.continue", "");
    SAW_AT("metadata.remainingItemCount", "");
    {
        cleanup(freep) char *exact = mem_fmt(
            MAPS "?resourceVersion=%s&resourceVersionMatch=Exact&labelSelector=odd", version);

        CHECK_INT(HTTP("GET", exact), 200);
        LISTED(" m000 m001 m002 m003 m004");
    }
    CHECK_INT(HTTP("GET", MAPS "?labelSelector=odd"), 200);
    LISTED(" m001 m003 m004 m005");
    server_fixture_down(&f);
}

TEST(server_list, a_page_the_store_forgot_is_410_with_a_way_on)
{
    struct server_fixture f = { 0 };
    cleanup(freep) char *second = NULL;
    cleanup(freep) char *rest = NULL;
    cleanup(freep) char *version = NULL;

    server_fixture_up(&f);
    make_big_maps(&f, 0, 5);
    CHECK_INT(HTTP("GET", MAPS "?limit=2"), 200);
    version = mem_str(json_str(f.base.body, "metadata.resourceVersion"));
    second = next_page(&f, "limit=2");
    CHECK_INT(HTTP("DELETE", MAPS "/m004"), 200);
    server_fixture_restart(&f); /* of which nobody remembers what was before */
    CHECK_INT(HTTP("GET", second), 410);
    SAW_AT("reason", "'Expired'");
    rest = next_page(&f, "limit=2");
    CHECK_INT(HTTP("GET", rest), 200);
    LISTED(" m001 m002");
    SAW_AT("metadata.remainingItemCount", "1");
    CHECK(!str_eq(json_str(f.base.body, "metadata.resourceVersion"), version));
    {
        cleanup(freep) char *last = next_page(&f, "limit=2");

        CHECK_INT(HTTP("GET", last), 200);
        LISTED(" m003");
    }
    {
        cleanup(freep) char *exact = mem_fmt(MAPS "?resourceVersion=%s&resourceVersionMatch=Exact",
                                             version);

        CHECK_INT(HTTP("GET", exact), 410);
        SAW("The resourceVersion for the provided list is too old.");
    }
    server_fixture_down(&f);
}

TEST(server_list, selectors_and_limits_go_together)
{
    struct server_fixture f = { 0 };
    cleanup(freep) char *second = NULL;

    server_fixture_up(&f);
    make_big_maps(&f, 0, 200);
    CHECK_INT(HTTP("GET", MAPS "?limit=99&labelSelector=odd%3D1"), 200);
    CHECK_INT(json_array_size(json_at(f.base.body, "items")), 99);
    SAW_AT("items.98.metadata.name", "'m197'");
    SAW_AT("metadata.remainingItemCount", "");
    second = next_page(&f, "limit=99&labelSelector=odd%3D1");
    CHECK_INT(HTTP("GET", second), 200);
    LISTED(" m199");
    SAW_AT("metadata.continue", "");
    server_fixture_down(&f);
}

TEST(server_list, what_is_long_comes_in_pieces_and_whole)
{
    static const char *const forms[] = { "application/json",
                                         "application/json;as=Table;v=v1;g=meta.k8s.io", META };
    static const char *const names[] = { "items.599.metadata.name", "rows.599.object.metadata.name",
                                         "items.599.metadata.name" };
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    make_big_maps(&f, 0, 600);
    for (size_t i = 0; i < N_ELEMENTS(forms); i++) {
        CHECK_INT(REQUEST(.method = "GET", .path = MAPS, .accept = forms[i]), 200);
        SAW_AT(names[i], "'m598'");
        CHECK_INT(REQUEST(.method = "GET", .path = MAPS, .accept = forms[i],
                          .header = "Accept-Encoding: gzip"),
                  200);
        SAW_AT(names[i], "'m598'"); /* the client unpacks it */
    }
    CHECK_INT(HTTP("HEAD", MAPS), 200);
    server_fixture_down(&f);
}

TEST(server_list, what_changes_meanwhile_is_not_seen_and_waits_for_nobody)
{
    struct server_fixture f = { 0 };
    struct stream s;
    json_t *tree = NULL;
    struct err err = ERR_EMPTY;

    server_fixture_up(&f);
    make_big_maps(&f, 0, 999);
    stream_open(&s, &f, MAPS);
    CHECK_SOON(&f.loop, s.text.len > 0, 5000);
    CHECK_INT(HTTP("DELETE", MAPS "/m998"), 200); /* behind what was sent */
    CHECK_INT(HTTP("GET", MAPS "/m998"), 404);
    CHECK_SOON(&f.loop, s.done, 10000);
    CHECK_INT(json_parse(&tree, text_str(&s.text), s.text.len, NULL, &err), 0);
    CHECK_INT(json_array_size(json_at(tree, "items")), 1000);
    json_decref(tree);
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(server_list, ends_with_the_server)
{
    struct server_fixture f = { 0 };
    struct stream s;

    server_fixture_up(&f);
    make_big_maps(&f, 0, 999);
    stream_open(&s, &f, MAPS);
    CHECK_SOON(&f.loop, s.text.len > 0, 5000);
    server_fixture_stop(&f);
    CHECK_SOON(&f.loop, s.done, 5000);
    CHECK(s.rc < 0); /* cut, not ended as if it were whole */
    stream_close(&s);
    server_fixture_down(&f);
}

TEST(server_list, a_collection_of_any_size_is_deleted)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    make_big_maps(&f, 0, 600);
    CHECK_INT(HTTP("DELETE", MAPS "?labelSelector=odd%3D1"), 200);
    SAW_AT("status", "'Success'");
    CHECK_INT(HTTP("GET", MAPS "?labelSelector=odd"), 200);
    CHECK_INT(json_array_size(json_at(f.base.body, "items")), 300);
    CHECK_INT(HTTP("DELETE", MAPS), 200);
    CHECK_INT(HTTP("GET", MAPS "?labelSelector=odd"), 200);
    SAW_AT("items", "[]");
    CHECK_INT(HTTP("DELETE", MAPS), 200);
    server_fixture_down(&f);
}

TEST(server_list, a_collection_ends_with_the_server)
{
    struct server_fixture f = { 0 };
    struct stream s;
    struct http_call_listener listener = { .on_done = stream_on_done, .arg = &s };
    struct http_call_spec spec = { .method = "DELETE", .timeout_ms = 5000 };
    cleanup(freep) char *url = NULL;

    server_fixture_up(&f);
    make_big_maps(&f, 0, 999);
    url = mem_fmt("https://127.0.0.1:%u" MAPS, f.port);
    spec.url = url;
    s = (struct stream){ .f = &f };
    s.call = http_call(f.admin, &spec, &listener);
    CHECK_SOON(&f.loop, store_count(f.base.s, "configmaps") < 1000, 5000);
    server_fixture_stop(&f);
    CHECK_SOON(&f.loop, s.done, 5000);
    stream_close(&s);
    server_fixture_down(&f);
}
