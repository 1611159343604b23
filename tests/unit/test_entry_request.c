/* layer: net */
#include "base/bits.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/entry_certs.h"
#include "net/entry_request.h"
#include "tests/lib/test.h"

#include <string.h>

TEST(entry_request, paths_are_matched_as_they_are_meant)
{
    static const struct {
        const char *path, *want; /* NULL = refused */
    } rows[] = {
        { "/", "/" },
        { "/a/b", "/a/b" },
        { "/a/b/", "/a/b/" },
        { "/a//b", "/a/b" },
        { "//", "/" },
        { "/a/./b/.", "/a/b/" },
        { "/a/../b", "/b" },
        { "/a/b/..", "/a/" },
        { "/a%2Fb", "/a/b" },
        { "/%61", "/a" },
        { "/a/%2e%2e/b", "/b" },
        { "/.well-known/x", "/.well-known/x" },
        { "/..a/b..", "/..a/b.." },
        { "/%252e%252e/x", "/%2e%2e/x" },
        { "/..", NULL },
        { "/a/../../b", NULL },
        { "/%", NULL },
        { "/%2", NULL },
        { "/%zz", NULL },
        { "/%00", NULL },
        { "a", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;
        bool ok = entry_request_normalise(&t, rows[i].path, strlen(rows[i].path));

        CHECK_STR(ok ? text_str(&t) : NULL, rows[i].want);
    }
}

TEST(entry_request, our_own_answers_are_whole)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    entry_reply_own(&t, 503, true, false, NULL);
    CHECK_STR(text_str(&t), "HTTP/1.1 503 Service Unavailable\r\n"
                            "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 44\r\n"
                            "Connection: close\r\n\r\n"
                            "503 Service Unavailable: no ready endpoints\n");
}

/* --- certificates --- */

static json_t *secret_of(const struct tls_pair *pair)
{
    cleanup(text_fini) struct text cert = TEXT_EMPTY, key = TEXT_EMPTY;

    bits_base64(&cert, pair->cert_pem, strlen(pair->cert_pem));
    bits_base64(&key, pair->key_pem, strlen(pair->key_pem));
    return json_pack("{s:s, s:{s:s, s:s}}", "type", "kubernetes.io/tls", "data", "tls.crt",
                     text_str(&cert), "tls.key", text_str(&key));
}

TEST(entry_certs, change_only_when_what_is_shown_changes)
{
    static const char spec[] =
        "{\"spec\":{\"tls\":[{\"hosts\":[\"a.example\"],\"secretName\":\"s\"}]}}";
    cleanup(tls_pair_fini) struct tls_pair pair = TLS_PAIR_EMPTY;
    cleanup(json_decrefpp) json_t *ingress = NULL;
    cleanup(json_decrefpp) json_t *secret = NULL;
    struct entry_certs *certs;
    struct entry_facts facts;
    struct tls_server *shown;
    struct err err = ERR_EMPTY;

    entry_facts_init(&facts);
    CHECK(entry_certs_new(&certs, NULL, "10.0.0.1", &err) == 0);
    shown = entry_certs_server(certs, &facts);
    CHECK(shown != NULL);
    tls_server_unref(shown);
    CHECK(entry_certs_server(certs, &facts) == NULL);

    CHECK(json_parse(&ingress, spec, strlen(spec), NULL, &err) == 0);
    json_put_str(ingress, "metadata.namespace", "ns");
    entry_facts_ingress(&facts, "ns", "i", ingress);
    shown = entry_certs_server(certs, &facts); /* its Secret is not there: one of our own */
    CHECK(shown != NULL);
    tls_server_unref(shown);
    CHECK(tls_ca_make(&pair, "a.example", &err) == 0);
    secret = secret_of(&pair);
    entry_certs_secret(certs, "other", "s", secret);
    CHECK(entry_certs_server(certs, &facts) == NULL);
    entry_certs_secret(certs, "ns", "s", secret);
    shown = entry_certs_server(certs, &facts);
    CHECK(shown != NULL);
    tls_server_unref(shown);
    entry_certs_secret(certs, "ns", "s", NULL);
    shown = entry_certs_server(certs, &facts);
    CHECK(shown != NULL);
    tls_server_unref(shown);
    entry_certs_free(certs);
    entry_facts_fini(&facts);
}

TEST(entry_certs, of_our_own_making_are_kept)
{
    static const char spec[] = "{\"spec\":{\"tls\":[{\"hosts\":[\"*.a.example\"]}]}}";
    cleanup(text_fini) struct text first = TEXT_EMPTY, again = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *ingress = NULL;
    cleanup(freep) char *dir = mem_str(test_path("certs"));
    cleanup(freep) char *file = mem_fmt("%s/_.a.example.pem", dir);
    struct entry_facts facts;
    struct err err = ERR_EMPTY;

    entry_facts_init(&facts);
    CHECK(json_parse(&ingress, spec, strlen(spec), NULL, &err) == 0);
    entry_facts_ingress(&facts, "ns", "i", ingress);
    for (unsigned i = 0; i < 2; i++) {
        struct entry_certs *certs;

        CHECK(entry_certs_new(&certs, dir, "10.0.0.1", &err) == 0);
        tls_server_unref(entry_certs_server(certs, &facts));
        entry_certs_free(certs);
        CHECK(file_read(i == 0 ? &first : &again, file, 65536, &err) == 0);
    }
    CHECK(first.len > 0);
    CHECK_STR(text_str(&first), text_str(&again));
    entry_facts_fini(&facts);
}
