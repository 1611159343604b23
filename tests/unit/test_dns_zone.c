/* layer: net */
#include "tests/unit/dns_fixture.h"

/* "A 10.0.0.1 | SRV ...", "empty" or "none" */
static void check_name(const char *name, const char *want)
{
    static const char *const types[] = { "A", "SRV", "CNAME", "PTR", "TXT" };
    struct dns_zone *z = dns_fixture_zone();
    struct dns_name_scratch scratch;
    const struct dns_name *n = dns_zone_find(z, name, &scratch);
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    for (size_t i = 0; n != NULL && i < n->n; i++)
        text_fmt(&t, "%s%s %s", i > 0 ? " | " : "", types[n->records[i].type], n->records[i].data);
    if (n == NULL || n->n == 0)
        text_puts(&t, n == NULL ? "none" : "empty");
    if (strcmp(text_str(&t), want) != 0)
        test_check_str(text_str(&t), want, name, __FILE__, __LINE__);
    dns_zone_free(z);
}

TEST(dns_zone, names_of_services)
{
    check_name("web.shop.svc.cluster.local", "A 10.96.0.5");
    check_name("_http._tcp.web.shop.svc.cluster.local", "SRV 0 100 80 web.shop.svc.cluster.local.");
    check_name("_tcp.web.shop.svc.cluster.local", "empty");
    check_name("web.other.svc.cluster.local", "none");
    check_name("nope.shop.svc.cluster.local", "none");
    check_name("x.web.shop.svc.cluster.local", "none");
    check_name("new.shop.svc.cluster.local", "none"); /* has no address yet */
}

TEST(dns_zone, names_of_headless_services)
{
    check_name("db.shop.svc.cluster.local", "A 10.244.1.2 | A 10.244.2.3");
    check_name("db-0.db.shop.svc.cluster.local", "A 10.244.1.2");
    check_name("10-244-2-3.db.shop.svc.cluster.local", "A 10.244.2.3");
    check_name("db-1.db.shop.svc.cluster.local", "none"); /* not ready */
    check_name("_sql._tcp.db.shop.svc.cluster.local",
               "SRV 0 100 5432 db-0.db.shop.svc.cluster.local. | "
               "SRV 0 100 5432 10-244-2-3.db.shop.svc.cluster.local.");
    check_name("none.shop.svc.cluster.local", "empty");
}

TEST(dns_zone, aliases_end_in_one_dot)
{
    check_name("out.shop.svc.cluster.local", "CNAME example.com.");
    check_name("dot.shop.svc.cluster.local", "CNAME example.com.");
}

TEST(dns_zone, addresses_have_names)
{
    check_name("5.0.96.10.in-addr.arpa", "PTR web.shop.svc.cluster.local.");
    check_name("2.1.244.10.in-addr.arpa", "PTR db-0.db.shop.svc.cluster.local.");
    check_name("9.9.9.9.in-addr.arpa", "none");
}

TEST(dns_zone, names_above_others_are_empty)
{
    check_name("cluster.local", "empty");
    check_name("svc.cluster.local", "empty");
    check_name("shop.svc.cluster.local", "empty");
    check_name("dns-version.cluster.local", "TXT \"1.1.0\"");
}

TEST(dns_zone, names_of_pods_say_their_address)
{
    check_name("10-244-1-7.shop.pod.cluster.local", "A 10.244.1.7");
    check_name("10-244-1-256.shop.pod.cluster.local", "none");
    check_name("10-244-1.shop.pod.cluster.local", "none");
    check_name("10-244-1-7.pod.cluster.local", "none");
    check_name("10-244-1-7.a.b.pod.cluster.local", "none");
    check_name("10-244-1-7x.shop.pod.cluster.local", "none");
    check_name("10-244-1--7.shop.pod.cluster.local", "none");
    check_name("10- 244-1-7.shop.pod.cluster.local", "none");
    check_name("10-244-1-4294967297.shop.pod.cluster.local", "none");
    check_name(".pod.cluster.local", "none");
}

TEST(dns_zone, knows_what_is_its_own)
{
    struct dns_zone *z = dns_fixture_zone();

    CHECK(dns_zone_holds(z, "cluster.local"));
    CHECK(dns_zone_holds(z, "nope.cluster.local"));
    CHECK(dns_zone_holds(z, "5.0.96.10.in-addr.arpa"));
    CHECK(!dns_zone_holds(z, "9.9.9.9.in-addr.arpa"));
    CHECK(!dns_zone_holds(z, "mycluster.local"));
    CHECK(!dns_zone_holds(z, "local"));
    CHECK(!dns_zone_holds(z, "example.com"));
    CHECK(!dns_zone_holds(z, ""));
    CHECK_STR(dns_zone_domain(z), "cluster.local");
    dns_zone_free(z);
}
