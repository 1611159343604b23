/* layer: net */
#include "net/peers.h"

#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>

static const struct peers_link eth0 = { .ip = 0x0a000001, .mask = 0xffffff00, .name = "eth0" };

#define NEAR                                               \
    {                                                      \
        .node_ip = "10.0.0.2", .pod_cidr = "10.244.1.0/24" \
    }
#define FAR                                                \
    {                                                      \
        .node_ip = "10.0.9.3", .pod_cidr = "10.244.2.0/24" \
    }

struct lists {
    struct podnet_peer before[4], now[4];
};

static size_t count(const struct podnet_peer *list)
{
    size_t n = 0;

    while (n < 4 && list[n].node_ip != NULL)
        n++;
    return n;
}

static void check_plan(struct lists l, const char *ip, const char *fdb, bool vxlan)
{
    cleanup(peers_plan_fini) struct peers_plan p = { .ip = TEXT_EMPTY, .fdb = TEXT_EMPTY };

    peers_plan(&p, &eth0, l.before, count(l.before), l.now, count(l.now));
    CHECK_STR(text_str(&p.ip), ip);
    CHECK_STR(text_str(&p.fdb), fdb);
    CHECK_INT(p.needs_vxlan, vxlan);
}

TEST(peers, a_neighbour_is_a_route)
{
    check_plan((struct lists){ .now = { NEAR } },
               "route replace 10.244.1.0/24 via 10.0.0.2 dev eth0\n", "", false);
}

TEST(peers, a_distant_node_is_reached_by_vxlan)
{
    check_plan((struct lists){ .now = { FAR } },
               "neigh replace 10.244.2.0 lladdr 0a:58:0a:00:09:03 dev mkube.vx nud permanent\n"
               "route replace 10.244.2.0/24 via 10.244.2.0 dev mkube.vx onlink\n",
               "fdb replace 0a:58:0a:00:09:03 dev mkube.vx dst 10.0.9.3 self permanent\n", true);
}

TEST(peers, who_goes_is_taken_away)
{
    check_plan((struct lists){ .before = { NEAR, FAR } },
               "route del 10.244.1.0/24\nroute del 10.244.2.0/24\n"
               "neigh del 10.244.2.0 dev mkube.vx\n",
               "fdb del 0a:58:0a:00:09:03 dev mkube.vx dst 10.0.9.3 self\n", false);
}

TEST(peers, what_stays_is_set_again)
{
    check_plan((struct lists){ .before = { NEAR }, .now = { NEAR } },
               "route replace 10.244.1.0/24 via 10.0.0.2 dev eth0\n", "", false);
}

/* A network never lacks its route while it moves to another node. */
TEST(peers, an_inherited_network_is_replaced_in_place)
{
    check_plan((struct lists){ .before = { NEAR },
                               .now = { { .node_ip = "10.0.0.7", .pod_cidr = "10.244.1.0/24" } } },
               "route replace 10.244.1.0/24 via 10.0.0.7 dev eth0\n", "", false);
    check_plan((struct lists){ .before = { FAR },
                               .now = { { .node_ip = "10.0.0.7", .pod_cidr = "10.244.2.0/24" } } },
               "neigh del 10.244.2.0 dev mkube.vx\n"
               "route replace 10.244.2.0/24 via 10.0.0.7 dev eth0\n",
               "fdb del 0a:58:0a:00:09:03 dev mkube.vx dst 10.0.9.3 self\n", false);
    check_plan((struct lists){ .before = { FAR },
                               .now = { { .node_ip = "10.0.9.4", .pod_cidr = "10.244.2.0/24" } } },
               "neigh replace 10.244.2.0 lladdr 0a:58:0a:00:09:04 dev mkube.vx nud permanent\n"
               "route replace 10.244.2.0/24 via 10.244.2.0 dev mkube.vx onlink\n",
               "fdb del 0a:58:0a:00:09:03 dev mkube.vx dst 10.0.9.3 self\n"
               "fdb replace 0a:58:0a:00:09:04 dev mkube.vx dst 10.0.9.4 self permanent\n",
               true);
}

TEST(peers, words_that_are_no_addresses_reach_no_command)
{
    check_plan(
        (struct lists){ .now = { { .node_ip = "10.0.0.2", .pod_cidr = "default\nlink del x" },
                                 { .node_ip = "10.0.0.2; x", .pod_cidr = "10.244.1.0/24" },
                                 { .node_ip = "10.0.0.2", .pod_cidr = "" } } },
        "", "", false);
}

TEST(peers, the_link_is_that_of_the_address)
{
    struct peers_link found;
    struct err err = ERR_EMPTY;

    CHECK_INT(peers_find_link(&found, "127.0.0.1", &err), 0);
    CHECK_STR(found.name, "lo");
    CHECK_INT(found.mask, 0xff000000);
    CHECK_INT(peers_find_link(&found, "192.0.2.1", &err), ERR_NOT_FOUND);
    CHECK_INT(peers_find_link(&found, "x", &err), ERR_INVALID);
}

TEST(peers, routes_that_are_gone_are_missed)
{
    static const char head[] =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n";
    static const char ours[] = "eth0\t0001F40A\t03004D0A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    static const char wider[] = "eth0\t0001F40A\t03004D0A\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    static const struct podnet_peer peers[] = { { "10.77.0.3", "10.244.1.0/24" },
                                                { "10.77.0.4", "10.244.2.0/24" },
                                                { "nonsense", "10.244.9.0/24" } };
    cleanup(freep) char *some = mem_fmt("%s%s", head, ours);
    cleanup(freep) char *other = mem_fmt("%s%s", head, wider);

    CHECK(peers_have_routes(head, &eth0, NULL, 0));
    CHECK(peers_have_routes(some, &eth0, peers, 1));
    CHECK(!peers_have_routes(some, &eth0, peers, 2));
    CHECK(!peers_have_routes(other, &eth0, peers, 1));
    CHECK(!peers_have_routes(head, &eth0, peers, 1));
    CHECK(!peers_have_routes("", &eth0, peers, 1));
    CHECK(peers_have_routes(head, &eth0, peers + 2, 1));
}

/* Server and agent on one host: the route would lead the pods' traffic back to the host itself. */
TEST(peers, the_agent_on_this_host_needs_no_route)
{
    static const struct podnet_peer self = { "10.0.0.1", "10.244.0.0/24" };

    check_plan((struct lists){ .now = { self, NEAR } },
               "route replace 10.244.1.0/24 via 10.0.0.2 dev eth0\n", "", false);
    check_plan((struct lists){ .before = { self } }, "", "", false);
    CHECK(peers_have_routes("", &eth0, &self, 1));
}
