/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define POOLS   "ipaddresspools.metallb.io"
#define ADVERTS "l2advertisements.metallb.io"
#define IT      &balancer_controller, "", "pools"

static void put_service(struct plan_fixture *f, const char *name, int age, const char *notes,
                        const char *spec)
{
    plan_fixture_putf(f, "services",
                      "{'metadata': {'name': '%s', 'creationTimestamp': '2026-01-01T00:00:%02dZ',"
                      " 'annotations': {%s}}, 'spec': {'type': 'LoadBalancer', 'ports': [{'port':"
                      " 80}] %s}}",
                      name, age, notes, spec);
}

static void put_node(struct plan_fixture *f, const char *name, const char *ready)
{
    plan_fixture_putf(f, "nodes",
                      "{'metadata': {'name': '%s', 'namespace': '', 'labels': {'host': '%s'}},"
                      " 'status': {'conditions': [{'type': 'Ready', 'status': '%s'}]}}",
                      name, name, ready);
}

static void up(struct plan_fixture *f, const char *addresses)
{
    plan_fixture_up(f);
    plan_fixture_putf(f, POOLS, "{'metadata': {'name': 'main'}, 'spec': {'addresses': [%s]}}",
                      addresses);
    plan_fixture_put(f, ADVERTS, "{'metadata': {'name': 'l2'}, 'spec': {}}");
    put_node(f, "n1", "True");
    put_node(f, "n2", "True");
}

static void settle(struct plan_fixture *f)
{
    plan_fixture_settle(f, IT, 8);
}

/* "" = pending. */
static const char *address(struct plan_fixture *f, const char *name)
{
    const json_t *tree = view_tree(f->view, plan_fixture_get(f, "services", name));

    return json_str_or(json_array_get(json_at(tree, "status.loadBalancer.ingress"), 0), "ip", "");
}

static const char *note(struct plan_fixture *f, const char *name, const char *key)
{
    const json_t *tree = view_tree(f->view, plan_fixture_get(f, "services", name));
    const char *value = json_string_value(
        json_object_get(json_at(tree, "metadata.annotations"), key));

    return value != NULL ? value : "";
}

TEST(balancer, the_oldest_are_served_and_the_last_is_told)
{
    struct plan_fixture f;

    up(&f, "'10.0.0.8-10.0.0.9'");
    put_service(&f, "late", 3, "", "");
    put_service(&f, "first", 1, "", "");
    put_service(&f, "second", 2, "", "");
    plan_fixture_run(&f, IT);
    CHECK(plan_fixture_event(&f, "AllocationFailed",
                             "Failed to allocate IP for \"default/late\": no available IPs"));
    settle(&f);
    CHECK_STR(address(&f, "first"), "10.0.0.8");
    CHECK_STR(address(&f, "second"), "10.0.0.9");
    CHECK_STR(address(&f, "late"), "");
    CHECK_STR(note(&f, "first", "metallb.io/ip-allocated-from-pool"), "main");
    CHECK(note(&f, "first", "mkube.io/announced-by")[0] == 'n');
    CHECK_INT(json_int(view_tree(f.view, plan_fixture_get(&f, POOLS, "main")),
                       "status.availableIPv4", -1),
              0);
    plan_fixture_run(&f, IT);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_remove(&f, "services", "first");
    settle(&f);
    CHECK_STR(address(&f, "late"), "10.0.0.8");
    CHECK_STR(address(&f, "second"), "10.0.0.9");
    plan_fixture_down(&f);
}

TEST(balancer, wishes_are_for_addresses_and_pools)
{
    struct plan_fixture f;

    up(&f, "'10.0.0.0/30'");
    plan_fixture_put(
        &f, POOLS,
        "{'metadata': {'name': 'rare'}, 'spec': {'addresses': ['10.9.0.0/32',"
        " '10.9.0.255/32', '10.9.0.7/32'], 'autoAssign': false, 'avoidBuggyIPs': true}}");
    put_service(&f, "ip", 1, "'metallb.io/loadBalancerIPs': '10.0.0.2'", "");
    put_service(&f, "old", 2, "", ", 'loadBalancerIP': '10.0.0.3'");
    put_service(&f, "pool", 3, "'metallb.universe.tf/address-pool': 'rare'", "");
    put_service(&f, "any", 4, "", "");
    put_service(&f, "none", 5, "'metallb.io/address-pool': 'gone'", "");
    put_service(&f, "far", 6, "'metallb.io/loadBalancerIPs': '10.5.0.1'", "");
    put_service(&f, "same", 7, "'metallb.io/loadBalancerIPs': '10.0.0.2'", "");
    put_service(&f, "full", 8, "'metallb.io/address-pool': 'rare'", "");
    plan_fixture_run(&f, IT);
    CHECK(plan_fixture_event(&f, "AllocationFailed",
                             "Failed to allocate IP for \"default/none\": unknown pool \"gone\""));
    CHECK(plan_fixture_event(&f, "AllocationFailed",
                             "Failed to allocate IP for \"default/far\": [\"10.5.0.1\"] is not "
                             "allowed in config"));
    CHECK(plan_fixture_event(&f, "AllocationFailed",
                             "Failed to allocate IP for \"default/same\": can't change sharing key "
                             "for \"default/same\", address also in use by default/ip"));
    CHECK(plan_fixture_event(&f, "AllocationFailed",
                             "Failed to allocate IP for \"default/full\": no available IPs in pool "
                             "\"rare\" for ipv4 IPFamily"));
    settle(&f);
    CHECK_STR(address(&f, "ip"), "10.0.0.2");
    CHECK_STR(address(&f, "old"), "10.0.0.3");
    CHECK_STR(address(&f, "pool"), "10.9.0.7");
    CHECK_STR(address(&f, "any"), "10.0.0.0");
    plan_fixture_down(&f);
}

TEST(balancer, an_address_is_shared_by_key_and_by_different_ports)
{
    static const char *const key = "'metallb.universe.tf/allow-shared-ip': 'k', "
                                   "'metallb.io/loadBalancerIPs': '10.0.0.1'";
    struct plan_fixture f;

    up(&f, "'10.0.0.1/32'");
    put_service(&f, "tcp", 1, key, "");
    put_service(&f, "udp", 2, key, ", 'ports': [{'port': 80, 'protocol': 'UDP'}]");
    put_service(&f, "again", 3, key, "");
    put_service(&f, "local", 4, key, ", 'ports': [{'port': 81}], 'externalTrafficPolicy': 'Local'");
    plan_fixture_run(&f, IT);
    CHECK(plan_fixture_event(&f, "AllocationFailed",
                             "Failed to allocate IP for \"default/again\": port TCP/80 is already "
                             "in use by default/tcp"));
    settle(&f);
    CHECK_STR(address(&f, "tcp"), "10.0.0.1");
    CHECK_STR(address(&f, "udp"), "10.0.0.1");
    CHECK_STR(address(&f, "again"), "");
    CHECK_STR(address(&f, "local"), "");
    CHECK_INT(
        json_int(view_tree(f.view, plan_fixture_get(&f, POOLS, "main")), "status.assignedIPv4", -1),
        1);
    plan_fixture_down(&f);
}

TEST(balancer, pools_may_be_for_some_only)
{
    struct plan_fixture f;

    up(&f, "'10.0.0.1/32'");
    plan_fixture_put(&f, "namespaces",
                     "{'metadata': {'name': 'default', 'namespace': '', 'labels': {'a': 'b'}}}");
    plan_fixture_put(&f, POOLS,
                     "{'metadata': {'name': 'other'}, 'spec': {'addresses': ['10.1.0.1/32'],"
                     " 'serviceAllocation': {'namespaces': ['elsewhere']}}}");
    plan_fixture_put(&f, POOLS,
                     "{'metadata': {'name': 'own'}, 'spec': {'addresses': ['10.2.0.1/32'],"
                     " 'serviceAllocation': {'priority': 5, 'namespaceSelectors': [{'matchLabels':"
                     " {'a': 'b'}}]}}}");
    put_service(&f, "x", 1, "", "");
    put_service(&f, "y", 2, "", "");
    put_service(&f, "z", 3, "", "");
    put_service(&f, "foreign", 4, "", ", 'loadBalancerClass': 'example.com/lb'");
    settle(&f);
    CHECK_STR(address(&f, "x"), "10.2.0.1");
    CHECK_STR(address(&f, "y"), "10.0.0.1");
    CHECK_STR(address(&f, "z"), "");
    CHECK_STR(address(&f, "foreign"), "");
    plan_fixture_down(&f);
}

TEST(balancer, what_pools_no_longer_allow_is_taken_away)
{
    struct plan_fixture f;

    up(&f, "'10.0.0.1/32'");
    put_service(&f, "x", 1, "", "");
    settle(&f);
    plan_fixture_set(&f, POOLS, "main", "spec.addresses", "['10.7.0.1/32']");
    plan_fixture_run(&f, IT);
    settle(&f);
    CHECK_STR(address(&f, "x"), "10.7.0.1");
    plan_fixture_remove(&f, POOLS, "main");
    plan_fixture_run(&f, IT);
    CHECK(plan_fixture_event(&f, "ClearAssignment",
                             "current IP \"10.7.0.1\" not allowed by config, will attempt "
                             "reassignment"));
    settle(&f);
    CHECK_STR(address(&f, "x"), "");
    CHECK_STR(note(&f, "x", "metallb.io/ip-allocated-from-pool"), "");
    CHECK_STR(note(&f, "x", "mkube.io/announced-by"), "");
    plan_fixture_down(&f);
}

TEST(balancer, a_service_that_is_no_balancer_any_more_lets_its_address_go)
{
    struct plan_fixture f;

    up(&f, "'10.0.0.1/32'");
    put_service(&f, "x", 1, "", "");
    settle(&f);
    plan_fixture_set(&f, "services", "x", "spec.type", "'ClusterIP'");
    settle(&f);
    CHECK_STR(address(&f, "x"), "");
    CHECK_STR(note(&f, "x", "metallb.io/ip-allocated-from-pool"), "");
    plan_fixture_down(&f);
}

TEST(balancer, another_node_answers_when_the_one_is_gone_and_keeps_it)
{
    struct plan_fixture f;
    const char *first, *second;

    up(&f, "'10.0.0.1/32'");
    put_service(&f, "x", 1, "", "");
    settle(&f);
    first = note(&f, "x", "mkube.io/announced-by")[1] == '1' ? "n1" : "n2";
    second = first[1] == '1' ? "n2" : "n1";
    put_node(&f, first, "Unknown");
    plan_fixture_run(&f, IT);
    settle(&f);
    CHECK_STR(note(&f, "x", "mkube.io/announced-by"), second);
    put_node(&f, first, "True");
    settle(&f);
    CHECK_STR(note(&f, "x", "mkube.io/announced-by"), second);
    put_node(&f, first, "False");
    put_node(&f, second, "False");
    plan_fixture_run(&f, IT);
    CHECK(!plan_fixture_event(&f, "NotAnnounced", "no ready node may announce its address"));
    CHECK_INT(f.plan.again_ms, 5000);
    settle(&f);
    f.now.mono_ms += 5000;
    plan_fixture_run(&f, IT);
    CHECK(plan_fixture_event(&f, "NotAnnounced", "no ready node may announce its address"));
    CHECK_STR(note(&f, "x", "mkube.io/announced-by"), "");
    CHECK_STR(address(&f, "x"), "10.0.0.1");
    plan_fixture_down(&f);
}

TEST(balancer, advertisements_choose_pools_nodes_and_devices)
{
    struct plan_fixture f;

    up(&f, "'10.0.0.1/32'");
    plan_fixture_put(
        &f, ADVERTS,
        "{'metadata': {'name': 'l2'}, 'spec': {'ipAddressPools': ['main'], 'interfaces':"
        " ['eth1', 'eth2'], 'nodeSelectors': [{'matchLabels': {'host': 'n2'}}]}}");
    plan_fixture_put(&f, ADVERTS,
                     "{'metadata': {'name': 'no'}, 'spec': {'ipAddressPools': ['else']}}");
    put_service(&f, "x", 1, "", "");
    settle(&f);
    CHECK_STR(note(&f, "x", "mkube.io/announced-by"), "n2");
    CHECK_STR(note(&f, "x", "mkube.io/announced-on"), "eth1,eth2");
    plan_fixture_set(&f, ADVERTS, "l2", "spec.ipAddressPools", "['else']");
    settle(&f);
    f.now.mono_ms += 5000;
    plan_fixture_run(&f, IT);
    CHECK(plan_fixture_event(&f, "NotAnnounced", "no L2Advertisement announces its pool"));
    plan_fixture_down(&f);
}

TEST(balancer, local_traffic_is_announced_where_endpoints_are)
{
    struct plan_fixture f;

    up(&f, "'10.0.0.1/32'");
    put_service(&f, "x", 1, "", ", 'externalTrafficPolicy': 'Local'");
    plan_fixture_put(&f, "endpointslices.discovery.k8s.io",
                     "{'metadata': {'name': 'x-1', 'labels': {'kubernetes.io/service-name': 'x'}},"
                     " 'endpoints': [{'addresses': ['10.244.1.2'], 'nodeName': 'n1'}, {'addresses':"
                     " ['10.244.2.2'], 'nodeName': 'n2', 'conditions': {'ready': false}}]}");
    settle(&f);
    CHECK_STR(note(&f, "x", "mkube.io/announced-by"), "n1");
    plan_fixture_down(&f);
}
