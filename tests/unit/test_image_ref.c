/* layer: nodeagent */
#include "nodeagent/image_ref.h"

#include "base/mem.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define LONG_DIGEST "redis@" DIGEST "0"

static void check_parses(const char *ref, const char *want)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct image_name n;
    struct err err = ERR_EMPTY;

    if (image_name_parse(&n, ref, &err) < 0)
        text_puts(&t, "bad");
    else
        image_name_print(&t, &n);
    if (!str_eq(text_str(&t), want))
        test_check_str(text_str(&t), want, ref, __FILE__, __LINE__);
}

TEST(image_ref, short_names_become_whole)
{
    static const struct {
        const char *ref, *want;
    } rows[] = {
        { "redis", "docker.io/library/redis:latest" },
        { "redis:7", "docker.io/library/redis:7" },
        { "bitnami/redis", "docker.io/bitnami/redis:latest" },
        { "docker.io/redis", "docker.io/library/redis:latest" },
        { "index.docker.io/redis", "docker.io/library/redis:latest" },
        { "docker.io/bitnami/redis:1", "docker.io/bitnami/redis:1" },
        { "quay.io/a/b/c:v1.2-x_3", "quay.io/a/b/c:v1.2-x_3" },
        { "localhost/x", "localhost/x:latest" },
        { "localhost:5000/x:1", "localhost:5000/x:1" },
        { "10.0.0.1:5000/x", "10.0.0.1:5000/x:latest" },
        { "[fd00::1]:5000/x", "[fd00::1]:5000/x:latest" },
        { "Registry/x", "Registry/x:latest" },
        { "a/b__c-d.e--f", "docker.io/a/b__c-d.e--f:latest" },
        { "redis@" DIGEST, "docker.io/library/redis@" DIGEST },
        { "redis:7@" DIGEST, "docker.io/library/redis:7@" DIGEST },
        { "redis:_x", "docker.io/library/redis:_x" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        check_parses(rows[i].ref, rows[i].want);
}

TEST(image_ref, what_is_no_reference_is_refused)
{
    static const char *const bad[] = {
        "",
        ":",
        "@",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "redis:",
        "redis:-x",
        "redis:a b",
        "redis:a/b",
        "-redis",
        "redis-",
        "a..b",
        "a___b",
        "a._b",
        "a_.b",
        "a/.b",
        "a/..",
        "../x",
        "a/../b",
        "redis@sha256:12",
        (LONG_DIGEST),
        "redis@md5:0123",
        ("redis@" DIGEST "@" DIGEST),
        "redis@sha256:../../../../../../../../../../../../../../../../../../../../../..",
        "evil host.com/x",
        "a.b\r\nX: y/x",
        "a.b?c/x",
        "user:pw@host.com/x",
        "host.com:/x",
        "host.com:5000a/x",
        "-a.b/x",
        "a.b-/x",
        "[fd00::1/x",
        "[::1]]:5/x",
        "a.b#/x",
        "red\xffis",
    };

    for (size_t i = 0; i < N_ELEMENTS(bad); i++)
        check_parses(bad[i], "bad");
}

TEST(image_ref, lengths_have_limits)
{
    char ref[1024];
    struct image_name n;
    struct err err = ERR_EMPTY;

    memset(ref, 'a', sizeof(ref) - 1);
    ref[sizeof(ref) - 1] = '\0';
    CHECK_INT(image_name_parse(&n, ref, &err), ERR_INVALID);
    ref[300] = '\0';
    CHECK_INT(image_name_parse(&n, ref, &err), ERR_INVALID);
    memcpy(ref, "redis:", 6);
    ref[6 + 128] = '\0';
    CHECK_INT(image_name_parse(&n, ref, &err), 0);
    ref[6 + 128] = 'a';
    ref[6 + 129] = '\0';
    CHECK_INT(image_name_parse(&n, ref, &err), ERR_INVALID);
}

TEST(image_ref, refusals_have_kubernetes_words)
{
    struct image_name n;
    struct err err = ERR_EMPTY;

    CHECK_INT(image_name_parse(&n, "Bad", &err), ERR_INVALID);
    CHECK_STR(err.text, "Failed to apply default image tag \"Bad\": couldn't parse image name "
                        "\"Bad\": invalid reference format");
}

static void check_url(const char *ref, const char *const *mirrors, const char *want, bool mirrored)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct image_name n;
    struct err err = ERR_EMPTY;

    CHECK_INT(image_name_parse(&n, ref, &err), 0);
    CHECK_INT(image_name_url(&t, &n, mirrors), mirrored);
    CHECK_STR(text_str(&t), want);
}

TEST(image_ref, mirrors_are_asked_first)
{
    static const char *const mirrors[] = { "*=http://any:5000", "quay.io=http://q:5000", "odd",
                                           NULL };

    check_url("redis", NULL, "https://registry-1.docker.io", false);
    check_url("quay.io/a/b", NULL, "https://quay.io", false);
    check_url("quay.io/a/b", mirrors, "http://q:5000", true);
    check_url("redis", mirrors, "http://any:5000", true);
}

TEST(image_ref, asks_for_the_digest_if_there_is_one)
{
    struct image_name n;
    struct err err = ERR_EMPTY;

    CHECK_INT(image_name_parse(&n, "redis:7@" DIGEST, &err), 0);
    CHECK_STR(image_name_reference(&n), DIGEST);
    CHECK_INT(image_name_parse(&n, "redis:7", &err), 0);
    CHECK_STR(image_name_reference(&n), "7");
}
