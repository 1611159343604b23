/* layer: net */
#include "base/mem.h"
#include "net/host_ports.h"
#include "tests/lib/nft_rules.h"
#include "tests/lib/test.h"

#include <string.h>
#include <unistd.h>

static char *print(const struct host_port *list, size_t n)
{
    struct text t = TEXT_EMPTY;

    host_ports_print(&t, list, n);
    check_nft_takes(t.data);
    return text_take(&t);
}

TEST(host_ports, lead_to_pods_by_protocol_and_address)
{
    static const struct host_port list[] = {
        { "TCP", "", 80, "10.1.0.5", 8080 },
        { "UDP", "0.0.0.0", 53, "10.1.0.6", 53 },
        { NULL, "192.0.2.1", 80, "10.1.0.7", 8081 },
        { "SCTP", NULL, 80, "10.1.0.7", 9 },
    };
    cleanup(freep) char *rules = print(list, N_ELEMENTS(list));

    CHECK(strstr(rules, "elements = { tcp . 80 : 10.1.0.5 . 8080, udp . 53 : 10.1.0.6 . 53, "
                        "sctp . 80 : 10.1.0.7 . 9 }") != NULL);
    CHECK(strstr(rules, "elements = { tcp . 192.0.2.1 . 80 : 10.1.0.7 . 8081 }") != NULL);
    CHECK(strstr(rules, "elements = { 10.1.0.5 . 10.1.0.5, 10.1.0.6 . 10.1.0.6, "
                        "10.1.0.7 . 10.1.0.7 }") != NULL);
}

TEST(host_ports, the_first_of_two_has_the_port)
{
    static const struct host_port list[] = {
        { "TCP", "", 80, "10.1.0.5", 8080 },
        { "TCP", "0.0.0.0", 80, "10.1.0.6", 8080 },
    };
    cleanup(freep) char *rules = print(list, N_ELEMENTS(list));

    CHECK(strstr(rules, "elements = { tcp . 80 : 10.1.0.5 . 8080 }") != NULL);
}

TEST(host_ports, none_is_no_table)
{
    cleanup(freep) char *rules = print(NULL, 0);

    CHECK(strstr(rules, "delete table ip mkube_host_ports") != NULL);
    CHECK(strstr(rules, "chain") == NULL);
}
