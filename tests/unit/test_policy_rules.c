/* layer: net */
#include "net/policy_rules.h"

#include "base/mem.h"
#include "tests/lib/nft_rules.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>
#include <unistd.h>

/* --- objects in few words --- */

#define POD(ns, ip, local, app)                                                           \
    "{'ns':'" ns "','ip':'" ip "','local':" local ",'labels':{'app':'" app "'},'ports':[" \
    "{'name':'http','protocol':'TCP','port':80}]}"
/* Two namespaces: shop has web (here) and db (here), mon has scraper (elsewhere). */
#define PODS                                                                                      \
    "[" POD("shop", "10.1.0.2", "true", "web") "," POD("shop", "10.1.0.3", "true", "db") "," POD( \
        "mon", "10.1.1.4", "false", "scraper") "]"
#define POLICY(ns, spec) "{'metadata':{'name':'p','namespace':'" ns "'},'spec':{" spec "}}"
#define INGRESS          "'policyTypes':['Ingress'],"
#define EGRESS           "'policyTypes':['Egress'],"
#define DB               "'podSelector':{'matchLabels':{'app':'db'}}"

static char *print(const char *policies)
{
    cleanup(json_decrefpp) json_t *a = quoted(policies);
    cleanup(json_decrefpp) json_t *pods = quoted(PODS);
    cleanup(json_decrefpp) json_t *namespaces = quoted("{'shop':{'team':'a'},'mon':{'team':'b'}}");
    cleanup(json_decrefpp) json_t *trusted = quoted("['10.90.1.2','10.1.0.1']");
    struct text t = TEXT_EMPTY;

    policy_rules_print(
        &t, &(struct policy_world){
                .policies = a, .namespaces = namespaces, .pods = pods, .trusted = trusted });
    return text_take(&t);
}

static void check_has(const char *policies, const char *const *wanted)
{
    cleanup(freep) char *rules = print(policies);

    check_nft_rules(rules, wanted);
}
#define CHECK_HAS(policies, ...) check_has((policies), (const char *const[]){ __VA_ARGS__, NULL })

TEST(policy_rules, without_policies_nothing_is_hooked)
{
    CHECK_HAS("[]", "delete table ip mkube_policy", "!hook forward");
}

TEST(policy_rules, a_policy_without_rules_refuses_all_but_the_nodes)
{
    CHECK_HAS("[" POLICY("shop", INGRESS DB) "]", "elements = { 10.90.1.2, 10.1.0.1 }",
              "ip saddr != @trusted ip daddr vmap { 10.1.0.3 : jump in0 }",
              "chain in0 {\n    drop\n  }", "!ip saddr vmap", "!10.1.0.2 :");
}

TEST(policy_rules, an_empty_selector_takes_the_whole_namespace_and_no_other)
{
    CHECK_HAS("[" POLICY("shop", INGRESS "'podSelector':{}") "]",
              "vmap { 10.1.0.2 : jump in0, 10.1.0.3 : jump in0 }", "!10.1.1.4 :");
}

TEST(policy_rules, pods_elsewhere_are_their_nodes_business)
{
    CHECK_HAS("[" POLICY("mon", INGRESS "'podSelector':{}") "]", "!hook forward");
}

TEST(policy_rules, an_empty_rule_allows_everyone)
{
    CHECK_HAS("[" POLICY("shop", INGRESS DB ",'ingress':[{}]") "]",
              "chain in0 {\n     return\n    drop");
}

TEST(policy_rules, pod_peers_are_of_the_policys_namespace)
{
    CHECK_HAS("[" POLICY("shop", INGRESS DB
                         ",'ingress':[{'from':[{'podSelector':{'matchLabels':{'app':'web'}}}],"
                         "'ports':[{'protocol':'TCP','port':3306}]}]") "]",
              "ip saddr { 10.1.0.2 } tcp dport 3306 return");
    CHECK_HAS("[" POLICY("shop", INGRESS DB
                         ",'ingress':[{'from':[{'podSelector':{'matchLabels':{'app':'scraper'}}}]"
                         "}]") "]",
              "chain in0 {\n    drop");
}

TEST(policy_rules, a_namespace_peer_is_all_its_pods)
{
    CHECK_HAS("[" POLICY("shop", INGRESS DB
                         ",'ingress':[{'from':[{'namespaceSelector':{'matchLabels':{'team':'b'}}}]"
                         "}]") "]",
              "ip saddr { 10.1.1.4 } return");
}

TEST(policy_rules, both_selectors_of_one_peer_must_hold)
{
    CHECK_HAS("[" POLICY("shop", INGRESS DB ",'ingress':[{'from':[{'namespaceSelector':{},"
                                            "'podSelector':{'matchLabels':{'app':'web'}}}]}]") "]",
              "ip saddr { 10.1.0.2 } return");
}

TEST(policy_rules, several_peers_add_up_to_one_set)
{
    CHECK_HAS("[" POLICY("shop", INGRESS DB
                         ",'ingress':[{'from':[{'podSelector':{}},{'namespaceSelector':{}}]}]") "]",
              "ip saddr { 10.1.0.2, 10.1.0.3, 10.1.1.4 } return");
}

TEST(policy_rules, a_block_leaves_its_exceptions_out)
{
    CHECK_HAS("[" POLICY("shop", INGRESS DB
                         ",'ingress':[{'from':[{'ipBlock':{'cidr':'10.0.0.0/8','except':"
                         "['10.2.0.0/16','10.2.3.0/24']}},{'ipBlock':{'cidr':'fd00::/8'}}]}]") "]",
              "ip saddr 10.0.0.0/8 ip saddr != 10.2.0.0/16 ip saddr != 10.2.3.0/24 return",
              "!fd00");
}

TEST(policy_rules, egress_matches_where_it_goes)
{
    CHECK_HAS("[" POLICY("shop", EGRESS "'podSelector':{'matchLabels':{'app':'web'}},"
                                        "'egress':[{'to':[{" DB
                                        "}],'ports':[{'protocol':'UDP','port':53}]}]") "]",
              "ip saddr vmap { 10.1.0.2 : jump out0 }", "ip daddr { 10.1.0.3 } udp dport 53 return",
              "!@trusted ip daddr");
}

TEST(policy_rules, ports_may_be_ranges_names_or_whole_protocols)
{
    CHECK_HAS("[" POLICY("shop", INGRESS DB
                         ",'ingress':[{'ports':[{'port':8000,'endPort':8010},{'port':'http'},"
                         "{'protocol':'UDP'},{'port':'nobody'}]}]") "]",
              "tcp dport 8000-8010 return",
              "ip daddr . tcp dport { 10.1.0.2 . 80, 10.1.0.3 . 80, 10.1.1.4 . 80 } return",
              "meta l4proto udp return");
}

TEST(policy_rules, policies_add_up)
{
    CHECK_HAS("[" POLICY("shop", INGRESS "'podSelector':{}") "," POLICY(
                  "shop", INGRESS DB ",'ingress':[{'ports':[{'port':3306}]}]") "]",
              "10.1.0.2 : jump in0, 10.1.0.3 : jump in1", "chain in0 {\n    drop",
              "chain in1 {\n     tcp dport 3306 return\n    drop");
}

TEST(policy_rules, facts_are_of_pods_with_an_address_of_their_own)
{
    static const struct {
        const char *pod;
        bool any;
    } rows[] = {
        { "{'spec':{'nodeName':'n1'},'status':{'podIP':'10.1.0.2','phase':'Running'}}", true },
        { "{'spec':{'nodeName':'n1'},'status':{'phase':'Pending'}}", false },
        { "{'spec':{'hostNetwork':true},'status':{'podIP':'10.90.1.2'}}", false },
        { "{'spec':{},'status':{'podIP':'10.1.0.2','phase':'Succeeded'}}", false },
        { "{'spec':{},'status':{'podIP':'10.1.0.2','phase':'Failed'}}", false },
        { "{'spec':{},'status':{'podIP':'} drop','phase':'Running'}}", false },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(json_decrefpp) json_t *pod = quoted(rows[i].pod);
        cleanup(json_decrefpp) json_t *facts = policy_pod_facts(pod, "n1");

        CHECK_INT(facts != NULL, rows[i].any);
    }
}

TEST(policy_rules, facts_hold_named_ports_and_the_place)
{
    cleanup(json_decrefpp) json_t *pod = quoted(
        "{'metadata':{'namespace':'shop','labels':{'app':'db'}},'spec':{'nodeName':'n1',"
        "'containers':[{'ports':[{'containerPort':1},{'name':'sql','containerPort':3306}]}]},"
        "'status':{'podIP':'10.1.0.3','phase':'Running'}}");
    cleanup(json_decrefpp) json_t *facts = policy_pod_facts(pod, "n1");
    cleanup(freep) char *text = json_print_sorted(facts, NULL);

    CHECK_STR(text, "{\"ip\":\"10.1.0.3\",\"labels\":{\"app\":\"db\"},\"local\":true,"
                    "\"ns\":\"shop\",\"ports\":[{\"name\":\"sql\",\"port\":3306,"
                    "\"protocol\":\"TCP\"}]}");
}
