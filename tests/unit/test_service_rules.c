/* layer: net */
#include "net/service_rules.h"

#include "base/mem.h"
#include "tests/lib/nft_rules.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>
#include <unistd.h>

/* --- objects in few words --- */

#define SERVICE(name, spec) "{'metadata':{'name':'" name "','namespace':'d'},'spec':{" spec "}}"
#define SLICE(name, endpoints)                                                     \
    "{'metadata':{'name':'" name                                                   \
    "-x','namespace':'d','labels':{'kubernetes.io/service-name':'" name            \
    "'}},'addressType':'IPv4','ports':[{'name':'','port':8080,'protocol':'TCP'}]," \
    "'endpoints':[" endpoints "]}"
#define READY(ip)       "{'addresses':['" ip "'],'conditions':{'ready':true},'nodeName':'n1'}"
#define READY_ON(ip, n) "{'addresses':['" ip "'],'conditions':{'ready':true},'nodeName':'" n "'}"
#define UNREADY(ip)     "{'addresses':['" ip "'],'conditions':{'ready':false}}"
#define LEAVING(ip) \
    "{'addresses':['" ip "'],'conditions':{'ready':false,'serving':true,'terminating':true}}"
#define PORT80 "'ports':[{'port':80,'protocol':'TCP'}]"

static char *print(const char *services, const char *slices)
{
    cleanup(json_decrefpp) json_t *a = quoted(services);
    cleanup(json_decrefpp) json_t *b = quoted(slices);
    struct text t = TEXT_EMPTY;

    service_rules_print(&t, a, b, "n1");
    return text_take(&t);
}

static void check_has(const char *services, const char *slices, const char *const *wanted)
{
    cleanup(freep) char *rules = print(services, slices);

    check_nft_rules(rules, wanted);
}
#define CHECK_HAS(services, slices, ...) \
    check_has((services), (slices), (const char *const[]){ __VA_ARGS__, NULL })

TEST(service_rules, nothing_is_a_table_too)
{
    CHECK_HAS("[]", "[]", "table ip mkube_services {", "delete table ip mkube_services");
}

TEST(service_rules, one_endpoint_is_sent_to)
{
    CHECK_HAS("[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5']," PORT80) "]",
              "[" SLICE("a", READY("10.244.1.2")) "]", "tcp . 10.96.0.5 . 80 : goto s0",
              "meta l4proto tcp dnat ip to 10.244.1.2:8080", "10.244.1.2 . 10.244.1.2");
}

TEST(service_rules, several_take_turns_by_chance_or_by_client)
{
    CHECK_HAS("[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5']," PORT80) "]",
              "[" SLICE("a", READY("10.244.1.2") "," READY("10.244.1.3")) "]",
              "numgen random mod 2 map { 0 : 10.244.1.2 . 8080, 1 : 10.244.1.3 . 8080 }");
    CHECK_HAS("[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5'],"
                               "'sessionAffinity':'ClientIP'," PORT80) "]",
              "[" SLICE("a", READY("10.244.1.2") "," READY("10.244.1.3")) "]",
              "jhash ip saddr mod 2 seed 0x4d4b map {");
}

TEST(service_rules, nobody_ready_is_refused)
{
    CHECK_HAS("[" SERVICE("a",
                          "'type':'NodePort','clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5'],"
                          "'ports':[{'port':80,'nodePort':30001}]") "]",
              "[" SLICE("a", UNREADY("10.244.1.2")) "]", "!dnat",
              "elements = { tcp . 10.96.0.5 . 80 }", "elements = { tcp . 30001 }");
}

TEST(service_rules, the_leaving_serve_only_when_nobody_else_does)
{
    CHECK_HAS("[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5']," PORT80) "]",
              "[" SLICE("a", LEAVING("10.244.1.2") "," READY("10.244.1.3")) "]", "!10.244.1.2",
              "dnat ip to 10.244.1.3:8080");
    CHECK_HAS("[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5']," PORT80) "]",
              "[" SLICE("a", LEAVING("10.244.1.2") "," UNREADY("10.244.1.3")) "]",
              "dnat ip to 10.244.1.2:8080", "!10.244.1.3");
}

TEST(service_rules, node_ports_mark_unless_local)
{
#define NODEPORT(more)                                                                            \
    "[" SERVICE("a", "'type':'NodePort','clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5']," more \
                     "'ports':[{'port':80,'nodePort':30001}]") "]"
#define BOTH "[" SLICE("a", READY_ON("10.244.1.2", "n1") "," READY_ON("10.244.2.2", "n2")) "]"
    CHECK_HAS(NODEPORT(""), BOTH, "tcp . 30001 : goto n1",
              "meta mark set meta mark | 0x4d4b0000\n    goto s1");
    CHECK_HAS(NODEPORT("'externalTrafficPolicy':'Local',"), BOTH, "tcp . 30001 : goto n1",
              "!meta mark set",
              "chain s1 { # d/a:80\n    meta l4proto tcp dnat ip to 10.244.1.2:8080");
}

TEST(service_rules, internal_local_means_this_node)
{
    CHECK_HAS("[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5'],"
                               "'internalTrafficPolicy':'Local'," PORT80) "]",
              BOTH, "dnat ip to 10.244.1.2:8080", "!10.244.2.2");
}

/* Whoever comes from outside to another node's pod must be answered through this node. */
TEST(service_rules, external_addresses_mark_too)
{
    CHECK_HAS("[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5'],"
                               "'externalIPs':['192.0.2.9']," PORT80) "]",
              BOTH, "tcp . 10.96.0.5 . 80 : goto s0", "tcp . 192.0.2.9 . 80 : goto n1");
}

TEST(service_rules, udp_and_sctp_and_named_ports)
{
    CHECK_HAS(
        "[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5'],'ports':["
                         "{'name':'dns','port':53,'protocol':'UDP'},"
                         "{'name':'dns-tcp','port':53,'protocol':'TCP'},"
                         "{'name':'sig','port':7,'protocol':'SCTP'}]") "]",
        "[{'metadata':{'name':'x','namespace':'d','labels':{'kubernetes.io/service-name':'a'}},"
        "'addressType':'IPv4','ports':[{'name':'dns','port':1053,'protocol':'UDP'},"
        "{'name':'sig','port':9,'protocol':'SCTP'}],'endpoints':[" READY("10.244.1.2") "]}]",
        "udp . 10.96.0.5 . 53 : goto s0", "meta l4proto udp dnat ip to 10.244.1.2:1053",
        "sctp . 10.96.0.5 . 7 : goto s1", "elements = { tcp . 10.96.0.5 . 53 }");
}

TEST(service_rules, headless_and_aliases_have_no_rules)
{
    CHECK_HAS("[" SERVICE("a", "'clusterIP':'None'," PORT80) "," SERVICE(
                  "b", "'type':'ExternalName','externalName':'x.y'") "]",
              "[" SLICE("a", READY("10.244.1.2")) "]", "!dnat", "!10.244.1.2");
}

TEST(service_rules, slices_are_of_their_service_and_namespace)
{
    CHECK_HAS(
        "[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5']," PORT80) "]",
        "[{'metadata':{'name':'x','namespace':'other','labels':{'kubernetes.io/service-name':"
        "'a'}},'addressType':'IPv4','ports':[{'name':'','port':8080}],'endpoints':[" READY(
            "10.244.1.2") "]},"
                          "{'metadata':{'name':'x','namespace':'d','labels':{'kubernetes.io/"
                          "service-name':'a'}},"
                          "'addressType':'IPv6','ports':[{'name':'','port':8080}],'endpoints':["
                          "{'addresses':['fd00::1']}]},{'metadata':{'namespace':'d'}}]",
        "!10.244.1.2", "!fd00", "elements = { tcp . 10.96.0.5 . 80 }");
}

/* nft refuses the whole transaction over one key given twice. */
TEST(service_rules, two_that_claim_one_address_do_not_spoil_the_rest)
{
    CHECK_HAS(
        "[" SERVICE(
            "a",
            "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5'],"
            "'externalIPs':['192.0.2.9','192.0.2.9']," PORT80) "," SERVICE("b",
                                                                           "'clusterIP':'10.96.0.6'"
                                                                           ",'clusterIPs':['10.96."
                                                                           "0.6'],"
                                                                           "'externalIPs':['192.0."
                                                                           "2.9']," PORT80) "]",
        "[" SLICE("a", READY("10.244.1.2") "," READY("10.244.1.2")) "," SLICE(
            "b", READY("10.244.1.3")) "]",
        "tcp . 192.0.2.9 . 80 : goto n1", "tcp . 10.96.0.6 . 80 : goto");
}

TEST(service_rules, odd_addresses_reach_no_rule)
{
    CHECK_HAS(
        "[" SERVICE("a", "'clusterIP':'10.96.0.5','clusterIPs':['10.96.0.5','fd00::5','1.2.3'],"
                         "'externalIPs':['1.2.3.4.5','..','10.0.0.1 }']," PORT80) "]",
        "[" SLICE("a", READY("10.244.1.2") "," READY("x; flush ruleset") "," READY("10.244")) "]",
        "dnat ip to 10.244.1.2:8080", "!fd00", "!flush", "!1.2.3", "!10.0.0.1");
}

TEST(service_rules, five_thousand_services_are_printed_and_loaded)
{
    json_t *services = json_array(), *slices = json_array();
    struct text t = TEXT_EMPTY;

    for (int i = 0; i < 5000; i++) {
        cleanup(freep) char *service = mem_fmt(
            "{'metadata':{'name':'s%d','namespace':'d'},'spec':{'clusterIP':'10.96.%d.%d',"
            "'clusterIPs':['10.96.%d.%d'],'ports':[{'port':80}]}}",
            i, i / 250, i % 250 + 1, i / 250, i % 250 + 1);
        cleanup(freep) char *slice = mem_fmt(
            "{'metadata':{'name':'s%d-x','namespace':'d','labels':"
            "{'kubernetes.io/service-name':'s%d'}},'addressType':'IPv4','ports':"
            "[{'name':'','port':8080}],'endpoints':[{'addresses':['10.244.%d.%d']},"
            "{'addresses':['10.245.%d.%d']}]}",
            i, i, i / 250, i % 250 + 1, i / 250, i % 250 + 1);

        json_array_append_new(services, quoted(service));
        json_array_append_new(slices, quoted(slice));
    }
    service_rules_print(&t, services, slices, "n1");
    json_decref(services);
    json_decref(slices);
    CHECK(strstr(text_str(&t), "10.96.19.250 . 80 : goto s4999") != NULL);
    check_nft_takes(text_str(&t));
    text_fini(&t);
}

#define POOLED(name, notes, spec)                                                              \
    "{'metadata':{'name':'" name "','namespace':'d','annotations':{" notes "}},'spec':{" spec  \
    ",'type':'LoadBalancer'},'status':{'loadBalancer':{'ingress':[{'ip':'192.0.2.7','ipMode':" \
    "'VIP'}]}}}"
#define FROM_POOL "'metallb.io/ip-allocated-from-pool':'p'"

TEST(service_rules, an_address_from_a_pool_leads_to_endpoints_and_the_entry_s_does_not)
{
    cleanup(freep) char *pool = print(
        "[" POOLED("a", FROM_POOL,
                   "'clusterIP':'10.96.0.1','clusterIPs':['10.96.0.1']," PORT80) "]",
        "[" SLICE("a", READY("10.244.1.2")) "]");
    cleanup(freep) char *entry = print(
        "[" POOLED("a", "", "'clusterIP':'10.96.0.1','clusterIPs':['10.96.0.1']," PORT80) "]",
        "[" SLICE("a", READY("10.244.1.2")) "]");

    CHECK(strstr(pool, "tcp . 192.0.2.7 . 80 : goto n1") != NULL);
    CHECK(strstr(entry, "192.0.2.7") == NULL);
    check_nft_takes(pool);
}

TEST(service_rules, source_ranges_guard_the_address_and_not_the_node_port)
{
    cleanup(freep) char *rules = print(
        "[" POOLED("a", FROM_POOL,
                   "'clusterIP':'10.96.0.1','clusterIPs':['10.96.0.1'],'ports':[{'port':80,"
                   "'protocol':'TCP','nodePort':30080}],'loadBalancerSourceRanges':['10.1.0.0/16',"
                   "'10.0.0.0/8','192.0.2.9/32','10.0.0.0/8']") "]",
        "[" SLICE("a", READY("10.244.1.2")) "]");
    cleanup(freep) char *nobody = print(
        "[" POOLED("a", FROM_POOL,
                   "'clusterIP':'10.96.0.1','clusterIPs':['10.96.0.1']," PORT80
                   ",'loadBalancerSourceRanges':['nonsense']") "]",
        "[" SLICE("a", READY("10.244.1.2")) "]");

    CHECK(strstr(rules, "chain l2 {\n    ip saddr { 10.0.0.0/8, 192.0.2.9/32 } goto n1\n  }") !=
          NULL);
    CHECK(strstr(rules, "tcp . 192.0.2.7 . 80 : goto l2") != NULL);
    CHECK(strstr(rules, "tcp . 30080 : goto n1") != NULL);
    check_nft_takes(rules);
    CHECK(strstr(nobody, "chain l2 {\n  }") != NULL);
    check_nft_takes(nobody);
}
