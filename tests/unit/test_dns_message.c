/* layer: net */
#include "net/dns_message.h"

#include "tests/unit/dns_fixture.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>

struct reply {
    enum dns_verdict verdict;
    ldns_pkt *pkt; /* owned, NULL unless answered */
    size_t len;
};

static void reply_fini(struct reply *r)
{
    ldns_pkt_free(r->pkt);
}

static struct reply ask_in(const struct dns_zone *z, const char *name, ldns_rr_type type,
                           uint16_t room, bool udp)
{
    ldns_rdf *owner = ldns_dname_new_frm_str(name);
    ldns_pkt *query = ldns_pkt_query_new(owner, type, LDNS_RR_CLASS_IN, LDNS_RD);
    struct reply r = { 0 };
    uint8_t *wire = NULL, *answer = NULL;
    size_t len = 0;

    ldns_pkt_set_id(query, 4711);
    if (room > 0)
        ldns_pkt_set_edns_udp_size(query, room);
    CHECK_INT(ldns_pkt2wire(&wire, query, &len), LDNS_STATUS_OK);
    r.verdict = dns_answer(&answer, &r.len, z, wire, len, udp);
    if (r.verdict == DNS_ANSWERED) {
        CHECK_INT(ldns_wire2pkt(&r.pkt, answer, r.len), LDNS_STATUS_OK);
        CHECK_INT(ldns_pkt_id(r.pkt), 4711);
        CHECK(ldns_pkt_qr(r.pkt));
        CHECK_INT(ldns_pkt_qdcount(r.pkt), 1);
        CHECK_INT(ldns_pkt_edns(r.pkt), room > 0);
    }
    free(answer);
    free(wire);
    ldns_pkt_free(query);
    return r;
}

static struct reply ask(const char *name, ldns_rr_type type)
{
    struct dns_zone *z = dns_fixture_zone();
    struct reply r = ask_in(z, name, type, 0, true);

    dns_zone_free(z);
    return r;
}

static void check_answer(const char *name, ldns_rr_type type, ldns_pkt_rcode rcode,
                         const char *const *wanted)
{
    cleanup(reply_fini) struct reply r = ask(name, type);
    size_t n = 0;

    CHECK_INT(r.verdict, DNS_ANSWERED);
    CHECK_INT(ldns_pkt_get_rcode(r.pkt), rcode);
    CHECK(ldns_pkt_aa(r.pkt));
    for (; wanted[n] != NULL; n++) {
        char *text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(r.pkt), n));

        CHECK(n < ldns_pkt_ancount(r.pkt));
        text[strcspn(text, "\n")] = '\0';
        CHECK_STR(text, wanted[n]);
        free(text);
    }
    CHECK_INT(ldns_pkt_ancount(r.pkt), n);
    /* What is not there is remembered for as long as the SOA says (RFC 2308). */
    CHECK_INT(ldns_pkt_nscount(r.pkt), n == 0 ? 1 : 0);
}
#define CHECK_ANSWER(name, type, rcode, ...)                      \
    check_answer((name), LDNS_RR_TYPE_##type, LDNS_RCODE_##rcode, \
                 (const char *const[]){ __VA_ARGS__ })

TEST(dns_message, answers_from_the_zone)
{
    CHECK_ANSWER("web.shop.svc.cluster.local.", A, NOERROR,
                 "web.shop.svc.cluster.local.\t5\tIN\tA\t10.96.0.5", NULL);
    CHECK_ANSWER("_http._tcp.web.shop.svc.cluster.local.", SRV, NOERROR,
                 "_http._tcp.web.shop.svc.cluster.local.\t5\tIN\tSRV\t0 100 80 "
                 "web.shop.svc.cluster.local.",
                 NULL);
    CHECK_ANSWER("5.0.96.10.in-addr.arpa.", PTR, NOERROR,
                 "5.0.96.10.in-addr.arpa.\t5\tIN\tPTR\tweb.shop.svc.cluster.local.", NULL);
    CHECK_ANSWER("dns-version.cluster.local.", TXT, NOERROR,
                 "dns-version.cluster.local.\t5\tIN\tTXT\t\"1.1.0\"", NULL);
    CHECK_ANSWER("10-244-1-7.shop.pod.cluster.local.", A, NOERROR,
                 "10-244-1-7.shop.pod.cluster.local.\t5\tIN\tA\t10.244.1.7", NULL);
    CHECK_ANSWER("db.shop.svc.cluster.local.", A, NOERROR,
                 "db.shop.svc.cluster.local.\t5\tIN\tA\t10.244.1.2",
                 "db.shop.svc.cluster.local.\t5\tIN\tA\t10.244.2.3", NULL);
}

TEST(dns_message, an_alias_is_told_when_it_is_asked_for)
{
    CHECK_ANSWER("out.shop.svc.cluster.local.", CNAME, NOERROR,
                 "out.shop.svc.cluster.local.\t5\tIN\tCNAME\texample.com.", NULL);
}

/* A client's resolver takes the answer as it is: what stands behind the alias belongs to it. */
TEST(dns_message, an_alias_within_the_cluster_is_followed)
{
    static const char *const ring = "ring.shop.svc.cluster.local.\t5\tIN\tCNAME\t"
                                    "ring.shop.svc.cluster.local.";

    CHECK_ANSWER("same.shop.svc.cluster.local.", A, NOERROR,
                 "same.shop.svc.cluster.local.\t5\tIN\tCNAME\tweb.shop.svc.cluster.local.",
                 "web.shop.svc.cluster.local.\t5\tIN\tA\t10.96.0.5", NULL);
    CHECK_ANSWER("ring.shop.svc.cluster.local.", A, SERVFAIL, ring, ring, ring, ring, ring, ring,
                 ring, ring, NULL);
    {
        cleanup(reply_fini) struct reply r = ask("lost.shop.svc.cluster.local.", LDNS_RR_TYPE_A);

        CHECK_INT(ldns_pkt_get_rcode(r.pkt), LDNS_RCODE_NXDOMAIN);
        CHECK_INT(ldns_pkt_ancount(r.pkt), 1);
        CHECK_INT(ldns_pkt_nscount(r.pkt), 1);
    }
}

/* As a resolver replies to @asked: with the record @what. */
static uint8_t *resolver_says(const uint8_t *asked, size_t len, const char *what, size_t *ret_len)
{
    ldns_pkt *pkt = NULL;
    ldns_rr *rr = NULL;
    uint8_t *wire = NULL;

    CHECK_INT(ldns_wire2pkt(&pkt, asked, len), LDNS_STATUS_OK);
    ldns_pkt_set_qr(pkt, true);
    CHECK_INT(ldns_rr_new_frm_str(&rr, what, 60, NULL, NULL), LDNS_STATUS_OK);
    ldns_pkt_push_rr(pkt, LDNS_SECTION_ANSWER, rr);
    CHECK_INT(ldns_pkt2wire(&wire, pkt, ret_len), LDNS_STATUS_OK);
    ldns_pkt_free(pkt);
    return wire;
}

TEST(dns_message, an_alias_out_of_the_cluster_is_followed_there)
{
    struct dns_zone *z = dns_fixture_zone();
    ldns_pkt *query = ldns_pkt_query_new(ldns_dname_new_frm_str("out.shop.svc.cluster.local."),
                                         LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD);
    ldns_pkt *pkt = NULL;
    uint8_t *wire = NULL, *asked = NULL, *said, *reply = NULL;
    size_t len, asked_len, said_len, reply_len;
    char *text;

    ldns_pkt_set_id(query, 4711);
    CHECK_INT(ldns_pkt2wire(&wire, query, &len), LDNS_STATUS_OK);
    CHECK_INT(dns_answer(&asked, &asked_len, z, wire, len, true), DNS_FOLLOW);
    said = resolver_says(asked, asked_len, "example.com. 60 IN A 192.0.2.7", &said_len);
    CHECK(dns_follow(&reply, &reply_len, z, wire, len, said, said_len, true));
    CHECK_INT(ldns_wire2pkt(&pkt, reply, reply_len), LDNS_STATUS_OK);
    CHECK_INT(ldns_pkt_id(pkt), 4711);
    CHECK_INT(ldns_pkt_ancount(pkt), 2);
    text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(pkt), 1));
    CHECK_STR(text, "example.com.\t60\tIN\tA\t192.0.2.7\n");
    free(text);
    text = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(pkt), 0)));
    CHECK_STR(text, "out.shop.svc.cluster.local.");
    free(text);
    free(reply);
    /* What is said about something else is not taken. */
    CHECK(!dns_follow(&reply, &reply_len, z, wire, len, wire, len, true));
    CHECK(!dns_follow(&reply, &reply_len, z, wire, len, said, 5, true));
    free(said);
    free(asked);
    free(wire);
    ldns_pkt_free(pkt);
    ldns_pkt_free(query);
    dns_zone_free(z);
}

TEST(dns_message, no_data_and_no_name_differ)
{
    CHECK_ANSWER("web.shop.svc.cluster.local.", AAAA, NOERROR, NULL);
    CHECK_ANSWER("shop.svc.cluster.local.", A, NOERROR, NULL);
    CHECK_ANSWER("nope.shop.svc.cluster.local.", A, NXDOMAIN, NULL);
    CHECK_ANSWER("nope.cluster.local.", AAAA, NXDOMAIN, NULL);
}

TEST(dns_message, case_does_not_matter)
{
    cleanup(reply_fini) struct reply r = ask("WeB.sHoP.svc.Cluster.LOCAL.", LDNS_RR_TYPE_A);

    CHECK_INT(r.verdict, DNS_ANSWERED);
    CHECK_INT(ldns_pkt_ancount(r.pkt), 1);
}

TEST(dns_message, others_names_are_for_others)
{
    cleanup(reply_fini) struct reply a = ask("example.com.", LDNS_RR_TYPE_A);
    cleanup(reply_fini) struct reply b = ask("9.9.9.9.in-addr.arpa.", LDNS_RR_TYPE_PTR);
    cleanup(reply_fini) struct reply c = ask(".", LDNS_RR_TYPE_NS);

    CHECK_INT(a.verdict, DNS_FORWARD);
    CHECK_INT(b.verdict, DNS_FORWARD);
    CHECK_INT(c.verdict, DNS_FORWARD);
}

/* A headless Service with more pods than a small packet holds. */
TEST(dns_message, too_much_for_udp_is_cut_and_said)
{
    json_t *services = json_pack("[{s:{s:s,s:s},s:{s:s}}]", "metadata", "name", "big", "namespace",
                                 "d", "spec", "clusterIP", "None");
    json_t *endpoints = json_array();
    json_t *slices = json_pack("[{s:{s:s,s:s,s:{s:s}},s:o}]", "metadata", "name", "x", "namespace",
                               "d", "labels", "kubernetes.io/service-name", "big", "endpoints",
                               endpoints);
    struct dns_zone *z;

    for (int i = 0; i < 200; i++) {
        cleanup(freep) char *ip = mem_fmt("10.244.0.%d", i);

        json_array_append_new(endpoints, json_pack("{s:[s]}", "addresses", ip));
    }
    z = dns_zone_new(services, slices, "cluster.local");
    json_decref(services);
    json_decref(slices);
    {
        cleanup(reply_fini) struct reply small = ask_in(z, "big.d.svc.cluster.local.",
                                                        LDNS_RR_TYPE_A, 0, true);
        cleanup(reply_fini) struct reply large = ask_in(z, "big.d.svc.cluster.local.",
                                                        LDNS_RR_TYPE_A, 4096, true);
        cleanup(reply_fini) struct reply tcp = ask_in(z, "big.d.svc.cluster.local.", LDNS_RR_TYPE_A,
                                                      0, false);

        CHECK(ldns_pkt_tc(small.pkt) && small.len <= 512);
        CHECK_INT(ldns_pkt_ancount(small.pkt), 0);
        CHECK(!ldns_pkt_tc(large.pkt) && large.len <= 4096);
        CHECK_INT(ldns_pkt_ancount(large.pkt), 200);
        CHECK(!ldns_pkt_tc(tcp.pkt));
        CHECK_INT(ldns_pkt_ancount(tcp.pkt), 200);
    }
    dns_zone_free(z);
}

TEST(dns_message, what_is_no_question_gets_no_answer)
{
    struct dns_zone *z = dns_fixture_zone();
    uint8_t wire[64] = { 0 };
    uint8_t *answer = NULL;
    size_t len = 0;

    for (size_t n = 0; n < sizeof(wire); n++) {
        CHECK_INT(dns_answer(&answer, &len, z, wire, n, true), DNS_DROP);
        CHECK(!dns_failure(&answer, &len, wire, n));
    }
    wire[2] = 0x80; /* an answer: two servers must not talk for ever */
    wire[5] = 1;
    CHECK_INT(dns_answer(&answer, &len, z, wire, 17, true), DNS_DROP);
    dns_zone_free(z);
}

TEST(dns_message, failure_is_an_answer_to_the_question)
{
    ldns_pkt *query = ldns_pkt_query_new(ldns_dname_new_frm_str("example.com."), LDNS_RR_TYPE_A,
                                         LDNS_RR_CLASS_IN, LDNS_RD);
    ldns_pkt *reply = NULL;
    uint8_t *wire = NULL, *answer = NULL;
    size_t len, n;

    CHECK_INT(ldns_pkt2wire(&wire, query, &len), LDNS_STATUS_OK);
    CHECK(dns_failure(&answer, &n, wire, len));
    CHECK_INT(ldns_wire2pkt(&reply, answer, n), LDNS_STATUS_OK);
    CHECK_INT(ldns_pkt_get_rcode(reply), LDNS_RCODE_SERVFAIL);
    CHECK_INT(ldns_pkt_qdcount(reply), 1);
    ldns_pkt_free(reply);
    ldns_pkt_free(query);
    free(wire);
    free(answer);
}
