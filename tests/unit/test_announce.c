/* layer: net */
#include "base/mem.h"
#include "net/announce.h"
#include "tests/lib/test.h"

#include <string.h>

static bool reads(struct announce_address *ret, const char *notes, const char *type)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    text_fmt(&t,
             "{\"metadata\":{\"annotations\":{%s}},\"spec\":{\"type\":\"%s\"},\"status\":{"
             "\"loadBalancer\":{\"ingress\":[{\"ip\":\"10.0.0.9\"}]}}}",
             notes, type);
    CHECK(json_parse(&tree, text_str(&t), t.len, NULL, &err) == 0);
    return announce_read(ret, tree, "n1");
}

TEST(announce, only_the_named_node_answers)
{
    struct announce_address a;

#define POOL "\"metallb.io/ip-allocated-from-pool\":\"p\""
    CHECK(reads(&a, POOL ",\"mkube.io/announced-by\":\"n1\"", "LoadBalancer"));
    CHECK_INT(a.ip, 0x0a000009);
    CHECK_STR(a.device, "");
    CHECK(reads(&a, POOL ",\"mkube.io/announced-by\":\"n1\",\"mkube.io/announced-on\":\"eth0\"",
                "LoadBalancer"));
    CHECK_STR(a.device, "eth0");
    CHECK(reads(&a, POOL ",\"mkube.io/announced-by\":\"n1\",\"mkube.io/announced-on\":\"x} drop\"",
                "LoadBalancer"));
    CHECK_STR(a.device, "");
    CHECK(!reads(&a, POOL ",\"mkube.io/announced-by\":\"n2\"", "LoadBalancer"));
    CHECK(!reads(&a, POOL ",\"mkube.io/announced-by\":\"n1\"", "ClusterIP"));
    CHECK(!reads(&a, "\"mkube.io/announced-by\":\"n1\"", "LoadBalancer"));
}

TEST(announce, commands_are_the_difference)
{
    const struct announce_address want[] = { { .ip = 0x0a000001 },
                                             { .ip = 0x0a000002 },
                                             { .ip = 0x0a000002 } };
    const uint32_t have[] = { 0x0a000001, 0x0a000003 };
    cleanup(text_fini) struct text t = TEXT_EMPTY, none = TEXT_EMPTY;

    announce_commands(&t, want, 3, have, 2);
    CHECK_STR(text_str(&t),
              "addr del 10.0.0.3/32 dev mkube-lb\naddr add 10.0.0.2/32 dev mkube-lb\n");
    announce_commands(&none, want, 1, have, 1);
    CHECK_STR(text_str(&none), "");
}

TEST(announce, rules_name_devices_where_there_are_some)
{
    const struct announce_address want[] = { { .ip = 0x0a000001 },
                                             { .ip = 0x0a000002, .device = "eth0,br-1" } };
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    announce_rules(&t, want, 2);
    CHECK(strstr(text_str(&t),
                 "    arp daddr ip 10.0.0.2 iifname != { \"eth0\", \"br-1\" } drop\n") != NULL);
    CHECK(strstr(text_str(&t), "10.0.0.1") == NULL);
}

TEST(announce, a_frame_says_who_has_what)
{
    static const unsigned char mac[6] = { 2, 3, 4, 5, 6, 7 };
    static const unsigned char want[ANNOUNCE_FRAME] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 3,  4, 5, 6, 7, 8, 6, 0, 1, 8, 0,  6, 4, 0,
        1,    2,    3,    4,    5,    6,    7, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9
    };
    unsigned char got[ANNOUNCE_FRAME];

    announce_frame(got, mac, 0x0a000009);
    CHECK(memcmp(got, want, sizeof(want)) == 0);
}
