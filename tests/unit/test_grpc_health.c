/* layer: nodeagent */
#include "base/mem.h"
#include "nodeagent/grpc_health.h"
#include "tests/lib/test.h"

#include <string.h>

TEST(grpc_health, a_request_is_a_framed_protobuf_message)
{
    cleanup(text_fini) struct text whole = TEXT_EMPTY, one = TEXT_EMPTY, longer = TEXT_EMPTY;
    char name[201];

    grpc_health_request(&whole, "");
    CHECK_INT(whole.len, 5);
    CHECK(memcmp(whole.data, "\0\0\0\0\0", 5) == 0);
    grpc_health_request(&one, "db");
    CHECK_INT(one.len, 9);
    CHECK(memcmp(one.data, "\0\0\0\0\4\x0a\2db", 9) == 0);
    memset(name, 'x', 200);
    name[200] = '\0';
    grpc_health_request(&longer, name);
    CHECK_INT(longer.len, 5 + 3 + 200);
    CHECK(memcmp(longer.data, "\0\0\0\0\xcb\x0a\xc8\1x", 9) == 0);
}

TEST(grpc_health, answers_in_the_kubelets_words)
{
    static const struct {
        int http;
        const char *status, *message, *body;
        size_t len;
        const char *want; /* NULL: serving */
    } cases[] = {
        { 200, "0", NULL, "\0\0\0\0\2\x08\1", 7, NULL },
        { 200, "0", NULL, "\0\0\0\0\2\x08\2", 7,
          "service unhealthy (responded with \"NOT_SERVING\")" },
        { 200, "0", NULL, "\0\0\0\0\0", 5, "service unhealthy (responded with \"UNKNOWN\")" },
        { 200, "0", NULL, "\0\0\0\0\2\x08\x63", 7, "service unhealthy (responded with \"99\")" },
        { 200, "12", "unknown service", "", 0,
          "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
          "unknown service" },
        { 200, "5", "no such", "", 0,
          "error: health rpc probe failed: rpc error: code = NotFound desc = no such" },
        { 200, "77", NULL, "", 0,
          "error: health rpc probe failed: rpc error: code = Code(77) desc = " },
        { 404, NULL, NULL, "", 0,
          "error: health rpc probe failed: rpc error: code = Unknown desc = unexpected HTTP status "
          "code received from server: 404" },
    };
    static const struct {
        const char *bytes;
        size_t len;
    } broken[] = { { "", 0 },
                   { "\0\0\0\0", 4 },
                   { "\1\0\0\0\2\x08\1", 7 },
                   { "\0\0\0\0\3\x08\1", 7 },
                   { "\0\0\0\0\2\x10\1", 7 },
                   { "\0\0\0\0\2\x08\x80", 7 },
                   { "\0\0\0\0\1\x08", 6 },
                   { "\xff\xff\xff\xff\xff\xff", 6 } };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        const struct http_header_pair pairs[] = { { "grpc-status", cases[i].status },
                                                  { "grpc-message", cases[i].message } };
        struct http_head head = { .status = cases[i].http,
                                  .headers = pairs,
                                  .n_headers = cases[i].status == NULL    ? 0
                                               : cases[i].message == NULL ? 1
                                                                          : 2 };
        struct err err = ERR_EMPTY;
        int rc = grpc_health_verdict(&head, cases[i].body, cases[i].len, &err);

        CHECK_INT(rc, cases[i].want == NULL ? 0 : ERR_PROTOCOL);
        CHECK_STR(err.text, cases[i].want == NULL ? "" : cases[i].want);
    }
    for (size_t i = 0; i < N_ELEMENTS(broken); i++) {
        const struct http_header_pair ok = { "grpc-status", "0" };
        struct http_head head = { .status = 200, .headers = &ok, .n_headers = 1 };
        struct err err = ERR_EMPTY;

        CHECK_INT(grpc_health_verdict(&head, broken[i].bytes, broken[i].len, &err), ERR_PROTOCOL);
        CHECK(strstr(err.text, "no HealthCheckResponse") != NULL);
    }
}
