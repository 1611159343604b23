/* layer: api */
#include "tests/unit/registry_fixture.h"

#define SVC(name, spec) "{'metadata':{'name':'" name "'},'spec':{" spec "}}"
#define PORTS           "'ports':[{'port':80}]"

/* Room for four addresses beside the API's, and three node ports. */
static void up_small(struct registry_fixture *f)
{
    f->service_cidr = "10.96.0.0/29";
    f->port_min = 30000;
    f->port_max = 30002;
    registry_fixture_up(f);
}

#define SERVICE(body_) CREATE(.bucket = "services", .body = (body_))
#define DROP(name_)    DELETE(.bucket = "services", .name = (name_))

TEST(registry_alloc, a_service_gets_an_address)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(SERVICE(SVC("s", PORTS)), 201);
    CHECK(str_starts(json_str(f.body, "spec.clusterIP"), "10.96."));
    CHECK_STR(json_string_value(tree_at(f.body, "spec.clusterIPs.0")),
              json_str(f.body, "spec.clusterIP"));
    CHECK_AT("spec.ipFamilies", "['IPv4']");
    CHECK_AT("spec.ipFamilyPolicy", "'SingleStack'");
    CHECK_AT("spec.ports.0.nodePort", "");
    CHECK_AT("spec.ports.0.targetPort", "80");
    CHECK_AT("status", "{'loadBalancer':{}}");
    registry_fixture_down(&f);
}

TEST(registry_alloc, the_range_ends_and_begins_again)
{
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    struct registry_fixture f = { 0 };

    up_small(&f); /* .1 is the API's, .2 to .6 are left */
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        cleanup(freep) char *body = mem_fmt(SVC("%s", PORTS), names[i]);

        CHECK_INT(SERVICE(body), 201);
    }
    CHECK_INT(SERVICE(SVC("f", PORTS)), 500);
    CHECK_SAYS("failed to allocate a serviceIP: range is full");
    CHECK_INT(DROP("c"), 200);
    CHECK_INT(SERVICE(SVC("f", PORTS)), 201);
    registry_fixture_down(&f);
}

TEST(registry_alloc, an_address_may_be_asked_for)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(SERVICE(SVC("s", PORTS ",'clusterIP':'10.96.7.7'")), 201);
    CHECK_AT("spec.clusterIPs", "['10.96.7.7']");
    CHECK_INT(SERVICE(SVC("t", PORTS ",'clusterIP':'10.96.7.7'")), 422);
    CHECK_SAYS("Service \"t\" is invalid: spec.clusterIPs: Invalid value: []string{\"10.96.7.7\"}: "
               "failed to allocate IP 10.96.7.7: provided IP is already allocated");
    CHECK_INT(SERVICE(SVC("t", PORTS ",'clusterIP':'192.168.1.1'")), 422);
    CHECK_SAYS(
        "Service \"t\" is invalid: spec.clusterIPs: Invalid value: []string{\"192.168.1.1\"}: "
        "failed to allocate IP 192.168.1.1: the provided network does not match the current "
        "range");
    CHECK_INT(SERVICE(SVC("t", PORTS ",'clusterIP':'10.96.0.0'")), 422); /* the network itself */
    CHECK_INT(SERVICE(SVC("t", PORTS ",'clusterIP':'10.96.255.255'")), 422);
    CHECK_INT(SERVICE(SVC("t", PORTS ",'clusterIP':'10.96.0.10'")), 422); /* the DNS' */
    CHECK_INT(SERVICE(SVC("t", PORTS ",'clusterIP':'10.96.0.1'")), 422);  /* the API's */
    CHECK_INT(SERVICE(SVC("t", PORTS ",'clusterIP':'zebra'")), 422);
    CHECK_INT(SERVICE(SVC("u", PORTS ",'clusterIPs':['10.96.7.8']")), 201);
    CHECK_AT("spec.clusterIP", "'10.96.7.8'");
    CHECK_INT(DROP("s"), 200);
    CHECK_INT(SERVICE(SVC("t", PORTS ",'clusterIP':'10.96.7.7'")), 201);
    registry_fixture_down(&f);
}

TEST(registry_alloc, headless_and_external_services_take_none)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(SERVICE(SVC("h", PORTS ",'clusterIP':'None'")), 201);
    CHECK_AT("spec.clusterIP", "'None'");
    CHECK_AT("spec.clusterIPs", "['None']");
    CHECK_INT(SERVICE(SVC("x", "'type':'ExternalName','externalName':'example.com'")), 201);
    CHECK_AT("spec.clusterIP", "");
    CHECK_AT("spec.clusterIPs", "");
    registry_fixture_down(&f);
}

TEST(registry_alloc, one_family_only)
{
    static const char *const bad[] = {
        "'ipFamilyPolicy':'RequireDualStack'",
        "'ipFamilies':['IPv6']",
        "'ipFamilies':['IPv4','IPv6']",
        "'clusterIPs':['10.96.0.5','10.96.0.6']",
    };
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        cleanup(freep) char *body = mem_fmt(SVC("s", PORTS ",%s"), bad[i]);

        CHECK_INT(SERVICE(body), 422);
    }
    CHECK_INT(SERVICE(SVC("s", PORTS ",'ipFamilyPolicy':'PreferDualStack'")), 201);
    registry_fixture_down(&f);
}

/* --- what fails gives back --- */

TEST(registry_alloc, a_refused_service_gives_back)
{
    struct registry_fixture f = { 0 };

    up_small(&f);
    CHECK_INT(SERVICE(SVC("a", PORTS ",'type':'NodePort'")), 201);
    for (int i = 0; i < 20; i++) {
        /* Name taken; dry run; the fourth port does not fit; the disk fails. */
        CHECK_INT(SERVICE(SVC("a", PORTS)), 409);
        CHECK_INT(CREATE(.bucket = "services", .dry_run = true,
                         .body = SVC("b", PORTS ",'type':'NodePort'")),
                  201);
        CHECK_INT(SERVICE(SVC("b", "'type':'NodePort','ports':[{'name':'x','port':1},"
                                   "{'name':'y','port':2},{'name':'z','port':3}]")),
                  500);
        CHECK_SAYS("failed to allocate a nodePort: range is full");
        backend_memory_fail(f.m, 1, 1, ERR_IO);
        CHECK_INT(SERVICE(SVC("b", PORTS ",'type':'NodePort'")), 500);
    }
    CHECK_INT(SERVICE(SVC("b", PORTS ",'type':'NodePort'")), 201);
    CHECK_INT(SERVICE(SVC("c", PORTS ",'type':'NodePort'")), 201);
    CHECK_INT(SERVICE(SVC("d", PORTS ",'type':'NodePort'")), 500);
    CHECK_INT(SERVICE(SVC("d", PORTS)), 201);
    CHECK_INT(SERVICE(SVC("e", PORTS)), 201);
    registry_fixture_down(&f);
}

TEST(registry_alloc, a_failed_deletion_keeps)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(SERVICE(SVC("a", PORTS ",'clusterIP':'10.96.7.7'")), 201);
    backend_memory_fail(f.m, 1, 1, ERR_IO);
    CHECK_INT(DROP("a"), 500);
    CHECK_INT(SERVICE(SVC("b", PORTS ",'clusterIP':'10.96.7.7'")), 422);
    CHECK_INT(CREATE(.bucket = "services", .body = SVC("b", PORTS)), 201);
    registry_fixture_down(&f);
}

TEST(registry_alloc, a_held_service_gives_back_when_it_goes)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(SERVICE("{'metadata':{'name':'a','finalizers':['a.b/c']},'spec':{" PORTS
                      ",'type':'NodePort','clusterIP':'10.96.7.7'}}"),
              201);
    CHECK_INT(DROP("a"), 200);
    CHECK_INT(SERVICE(SVC("b", PORTS ",'clusterIP':'10.96.7.7'")), 422);
    CHECK_INT(MERGE(.bucket = "services", .name = "a", .body = "{'metadata':{'finalizers':null}}"),
              200);
    CHECK_INT(SERVICE(SVC("b", PORTS ",'clusterIP':'10.96.7.7'")), 201);
    registry_fixture_down(&f);
}

/* --- node ports --- */

TEST(registry_alloc, node_ports_are_given_and_asked_for)
{
    struct registry_fixture f = { 0 };

    up_small(&f);
    CHECK_INT(SERVICE(SVC("a", "'type':'NodePort','ports':[{'port':80,'nodePort':30001}]")), 201);
    CHECK_INT(SERVICE(SVC("b", "'type':'NodePort','ports':[{'port':80,'nodePort':30001}]")), 422);
    CHECK_SAYS("Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided "
               "port is already allocated");
    CHECK_INT(SERVICE(SVC("b", "'type':'NodePort','ports':[{'port':80,'nodePort':80}]")), 422);
    CHECK_SAYS("Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port "
               "is not in the valid range. The range of valid ports is 30000-30002");
    /* TCP and UDP of one Service may share a number. */
    CHECK_INT(SERVICE(SVC("c", "'type':'NodePort','ports':[{'name':'t','port':53,'nodePort':30002},"
                               "{'name':'u','port':53,'protocol':'UDP','nodePort':30002}]")),
              201);
    CHECK_INT(SERVICE(SVC("d", "'type':'LoadBalancer'," PORTS)), 201);
    CHECK_AT("spec.ports.0.nodePort", "30000");
    CHECK_INT(
        SERVICE(SVC("e", "'type':'LoadBalancer','allocateLoadBalancerNodePorts':false," PORTS)),
        201);
    CHECK_AT("spec.ports.0.nodePort", "");
    registry_fixture_down(&f);
}

TEST(registry_alloc, an_update_keeps_known_ports)
{
    struct registry_fixture f = { 0 };

    up_small(&f);
    CHECK_INT(SERVICE(SVC("a", "'type':'NodePort','ports':[{'port':80,'nodePort':30001}]")), 201);
    CHECK_INT(UPDATE(.bucket = "services", .name = "a",
                     .body = SVC("a", "'type':'NodePort','ports':[{'name':'x','port':80},"
                                      "{'name':'y','port':81}]")),
              200);
    CHECK_AT("spec.ports.0.nodePort", "30001");
    CHECK(json_int(tree_at(f.body, "spec.ports.1"), "nodePort", 0) != 0);
    /* A port that goes gives its number back. */
    CHECK_INT(UPDATE(.bucket = "services", .name = "a",
                     .body = SVC("a", "'type':'NodePort','ports':[{'name':'y','port':81}]")),
              200);
    CHECK_INT(SERVICE(SVC("b", "'type':'NodePort','ports':[{'port':80,'nodePort':30001}]")), 201);
    registry_fixture_down(&f);
}

TEST(registry_alloc, a_moved_number_is_not_kept_twice)
{
    struct registry_fixture f = { 0 };

    up_small(&f);
    CHECK_INT(SERVICE(SVC("a", "'type':'NodePort','ports':[{'port':80,'nodePort':30001}]")), 201);
    CHECK_INT(UPDATE(.bucket = "services", .name = "a",
                     .body = SVC("a", "'type':'NodePort','ports':[{'name':'x','port':80},"
                                      "{'name':'y','port':81,'nodePort':30001}]")),
              200);
    CHECK_AT("spec.ports.1.nodePort", "30001");
    CHECK(json_int(tree_at(f.body, "spec.ports.0"), "nodePort", 0) != 30001);
    registry_fixture_down(&f);
}

/* --- types change --- */

TEST(registry_alloc, types_change_and_numbers_follow)
{
    struct registry_fixture f = { 0 };
    cleanup(freep) char *ip = NULL;

    up_small(&f);
    CHECK_INT(SERVICE(SVC("a", PORTS)), 201);
    ip = mem_str(json_str(f.body, "spec.clusterIP"));
    CHECK_INT(MERGE(.bucket = "services", .name = "a", .body = "{'spec':{'type':'NodePort'}}"),
              200);
    CHECK(json_int(tree_at(f.body, "spec.ports.0"), "nodePort", 0) >= 30000);
    CHECK_AT("spec.externalTrafficPolicy", "'Cluster'");
    CHECK_STR(json_str(f.body, "spec.clusterIP"), ip);
    CHECK_INT(MERGE(.bucket = "services", .name = "a", .body = "{'spec':{'type':'LoadBalancer'}}"),
              200);
    CHECK_AT("spec.allocateLoadBalancerNodePorts", "true");
    CHECK_INT(MERGE(.bucket = "services", .name = "a", .body = "{'spec':{'type':'ClusterIP'}}"),
              200);
    CHECK_AT("spec.ports.0.nodePort", "");
    CHECK_AT("spec.externalTrafficPolicy", "");
    CHECK_AT("spec.allocateLoadBalancerNodePorts", "");
    /* All three ports are free again. */
    CHECK_INT(SERVICE(SVC("b", "'type':'NodePort','ports':[{'name':'x','port':1},"
                               "{'name':'y','port':2},{'name':'z','port':3}]")),
              201);
    CHECK_INT(MERGE(.bucket = "services", .name = "a",
                    .body = "{'spec':{'type':'ExternalName','externalName':'example.com'}}"),
              200);
    CHECK_AT("spec.clusterIP", "");
    CHECK_AT("spec.clusterIPs", "");
    CHECK_AT("spec.ipFamilies", "");
    {
        cleanup(freep) char *body = mem_fmt(SVC("c", PORTS ",'clusterIP':'%s'"), ip);

        CHECK_INT(SERVICE(body), 201);
    }
    CHECK_INT(MERGE(.bucket = "services", .name = "a",
                    .body = "{'spec':{'type':'ClusterIP','externalName':null}}"),
              200);
    CHECK(!str_empty(json_str(f.body, "spec.clusterIP")));
    CHECK(!str_eq(json_str(f.body, "spec.clusterIP"), ip));
    registry_fixture_down(&f);
}

TEST(registry_alloc, an_address_is_for_life)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(SERVICE(SVC("a", PORTS ",'clusterIP':'10.96.7.7'")), 201);
    CHECK_INT(UPDATE(.bucket = "services", .name = "a", .body = SVC("a", PORTS)), 200);
    CHECK_AT("spec.clusterIP", "'10.96.7.7'");
    CHECK_INT(
        MERGE(.bucket = "services", .name = "a", .body = "{'spec':{'clusterIP':'10.96.7.8'}}"),
        422);
    CHECK(strstr(json_str(f.body, "message"), "may not change once set") != NULL);
    CHECK_INT(MERGE(.bucket = "services", .name = "a", .body = "{'spec':{'clusterIP':'None'}}"),
              422);
    registry_fixture_down(&f);
}

TEST(registry_alloc, a_restart_knows_what_was_given)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(SERVICE(SVC("a", "'type':'NodePort','clusterIP':'10.96.7.7',"
                               "'ports':[{'port':80,'nodePort':30001}]")),
              201);
    CHECK_INT(CREATE(.bucket = "nodes", .body = "{'metadata':{'name':'n1'}}"), 201);
    registry_fixture_restart(&f);
    CHECK_INT(SERVICE(SVC("b", PORTS ",'clusterIP':'10.96.7.7'")), 422);
    CHECK_INT(SERVICE(SVC("b", "'type':'NodePort','ports':[{'port':80,'nodePort':30001}]")), 422);
    CHECK_INT(CREATE(.bucket = "nodes", .body = "{'metadata':{'name':'n2'}}"), 201);
    CHECK_AT("spec.podCIDR", "'10.244.1.0/24'");
    registry_fixture_down(&f);
}

/* --- nodes --- */

TEST(registry_alloc, each_node_has_a_pod_network)
{
    struct registry_fixture f = { .pod_cidr = "10.244.0.0/23" };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "nodes", .body = "{'metadata':{'name':'n1'}}"), 201);
    CHECK_AT("spec.podCIDR", "'10.244.0.0/24'");
    CHECK_AT("spec.podCIDRs", "['10.244.0.0/24']");
    CHECK_INT(CREATE(.bucket = "nodes", .body = "{'metadata':{'name':'n1'}}"), 409);
    CHECK_INT(CREATE(.bucket = "nodes", .dry_run = true, .body = "{'metadata':{'name':'n2'}}"),
              201);
    backend_memory_fail(f.m, 1, 1, ERR_IO);
    CHECK_INT(CREATE(.bucket = "nodes", .body = "{'metadata':{'name':'n2'}}"), 500);
    CHECK_INT(CREATE(.bucket = "nodes",
                     .body = "{'metadata':{'name':'n2'},'spec':{'podCIDR':'10.244.1.0/24'}}"),
              201);
    CHECK_AT("spec.podCIDRs", "['10.244.1.0/24']");
    CHECK_INT(CREATE(.bucket = "nodes", .body = "{'metadata':{'name':'n3'}}"), 403);
    CHECK_SAYS("nodes \"n3\" is forbidden: no pod CIDR is left: the cluster is full");
    CHECK_INT(DELETE(.bucket = "nodes", .name = "n1"), 200);
    CHECK_INT(CREATE(.bucket = "nodes", .body = "{'metadata':{'name':'n3'}}"), 201);
    CHECK_AT("spec.podCIDR", "'10.244.0.0/24'");
    registry_fixture_down(&f);
}

TEST(registry_alloc, a_node_may_bring_its_status)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "nodes",
                     .body = "{'metadata':{'name':'n'},'status':{'capacity':{'cpu':'2'}}}"),
              201);
    CHECK_AT("status.capacity", "{'cpu':'2'}");
    registry_fixture_down(&f);
}
