/* layer: api */
#include "api/alloc.h"

#include "base/mem.h"
#include "tests/lib/test.h"

TEST(alloc, a_number_is_taken_once)
{
    struct alloc *a = alloc_new(10, 3);

    CHECK(alloc_take(a, 11));
    CHECK(!alloc_take(a, 11));
    CHECK(!alloc_take(a, 9));
    CHECK(!alloc_take(a, 13));
    CHECK(!alloc_take(a, UINT32_MAX));
    alloc_give(a, 11);
    alloc_give(a, 11);
    alloc_give(a, 500);
    CHECK(alloc_take(a, 11));
    alloc_free(a);
}

TEST(alloc, any_goes_round_until_full)
{
    struct alloc *a = alloc_new(10, 3);
    uint32_t got = 0;

    CHECK(alloc_any(a, 2, &got));
    CHECK_INT(got, 12);
    CHECK(alloc_any(a, 2, &got));
    CHECK_INT(got, 10);
    CHECK(alloc_any(a, UINT64_MAX, &got));
    CHECK_INT(got, 11);
    CHECK(!alloc_any(a, 0, &got));
    alloc_give(a, 12);
    CHECK(alloc_any(a, 0, &got));
    CHECK_INT(got, 12);
    alloc_free(a);
}

TEST(alloc, reads_cidrs)
{
    static const struct {
        const char *text;
        uint32_t first;
        unsigned bits;
    } good[] = {
        { "10.96.0.0/16", 0x0a600000, 16 },
        { "10.96.7.9/16", 0x0a600000, 16 },
        { "10.0.0.0/8", 0x0a000000, 8 },
        { "192.168.1.128/30", 0xc0a80180, 30 },
    };
    static const char *const bad[] = {
        "",     "10.0.0.0",     "10.0.0.0/", "10.0.0.0/7",  "10.0.0.0/31", "10.0.0/16",
        "x/16", "10.0.0.0/16x", "fd00::/64", "10.0.0.0/-8", " 10.0.0.0/16"
    };
    struct err err = ERR_EMPTY;
    uint32_t first;
    unsigned bits;

    for (size_t i = 0; i < N_ELEMENTS(good); i++) {
        CHECK_INT(alloc_cidr(&first, &bits, good[i].text, &err), 0);
        CHECK_INT(first, good[i].first);
        CHECK_INT(bits, good[i].bits);
    }
    for (size_t i = 0; i < N_ELEMENTS(bad); i++)
        CHECK_INT(alloc_cidr(&first, &bits, bad[i], &err), ERR_INVALID);
}

TEST(alloc, addresses_survive_printing)
{
    char text[ALLOC_IP_MAX];
    uint32_t ip = 0;

    CHECK(alloc_ip_parse("10.96.0.255", &ip));
    alloc_ip_print(text, ip);
    CHECK_STR(text, "10.96.0.255");
    CHECK(!alloc_ip_parse("10.96.0.256", &ip));
    CHECK(!alloc_ip_parse("None", &ip));
}
