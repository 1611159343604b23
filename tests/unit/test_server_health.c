/* layer: api */
#include "tests/unit/server_fixture.h"

TEST(server_health, a_disk_that_refuses_is_told_until_it_takes_again)
{
    struct server_fixture f = { 0 };

    server_fixture_up(&f);
    CHECK_INT(REQUEST(.method = "GET", .path = "/livez?verbose"), 200);
    CHECK_STR(text_str(&f.text), "[+]ping ok\n[+]store ok\nlivez check passed\n");
    backend_memory_fail(f.base.m, 1, 1, ERR_IO);
    CHECK_INT(REQUEST(.method = "POST", .path = "/api/v1/namespaces",
                      .body = "{'metadata':{'name':'a'}}"),
              500);
    CHECK_INT(REQUEST(.method = "GET", .path = "/livez", .client = f.nobody), 500);
    CHECK_STR(text_str(&f.text),
              "[+]ping ok\n[-]store failed: reason withheld\nlivez check failed\n");
    CHECK_INT(REQUEST(.method = "GET", .path = "/livez/store"), 500);
    CHECK_STR(text_str(&f.text), "internal server error: not well\n");
    CHECK_INT(REQUEST(.method = "GET", .path = "/livez/ping"), 200);
    CHECK_INT(REQUEST(.method = "GET", .path = "/livez?exclude=store"), 200);
    CHECK_INT(REQUEST(.method = "GET", .path = "/api/v1/componentstatuses/etcd-0"), 200);
    CHECK(strstr(text_str(&f.text), "\"False\"") != NULL);
    CHECK_INT(REQUEST(.method = "POST", .path = "/api/v1/namespaces",
                      .body = "{'metadata':{'name':'a'}}"),
              201);
    CHECK_INT(REQUEST(.method = "GET", .path = "/livez"), 200);
    CHECK_STR(text_str(&f.text), "ok");
    server_fixture_down(&f);
}
