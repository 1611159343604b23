/* layer: base */
#include "base/cert_life.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/tls.h"
#include "tests/lib/test.h"

static struct cert_life life_of(const struct tls_pair *ca, int64_t seconds)
{
    const struct tls_spec spec = { .cn = "x", .is_client = true, .seconds = seconds };
    cleanup(tls_pair_fini) struct tls_pair pair = TLS_PAIR_EMPTY;
    struct cert_life life = { 0 };
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_issue(&pair, ca, &spec, &err), 0);
    CHECK_INT(cert_life_read(&life, pair.cert_pem, &err), 0);
    return life;
}

TEST(cert_life, renewal_falls_between_70_and_90_percent_and_is_spread)
{
    cleanup(tls_pair_fini) struct tls_pair ca = TLS_PAIR_EMPTY;
    struct err err = ERR_EMPTY;
    int64_t first = 100, last = 0;
    int64_t now_ms = clock_wall_ms();

    CHECK_INT(tls_ca_make(&ca, "ca", &err), 0);
    for (int i = 0; i < 40; i++) {
        struct cert_life life = life_of(&ca, 100000);
        int64_t percent = (life.renew_ms - life.issued_ms) / (100000LL * 10);

        CHECK(life.issued_ms >= now_ms - 1000 && life.issued_ms <= clock_wall_ms() + 1000);
        CHECK_INT(life.expiry_ms - life.issued_ms, 100000LL * 1000);
        CHECK(percent >= 70 && percent <= 90);
        first = percent < first ? percent : first;
        last = percent > last ? percent : last;
    }
    CHECK(last - first >= 5);
}

TEST(cert_life, the_same_certificate_is_always_due_at_the_same_time)
{
    cleanup(tls_pair_fini) struct tls_pair ca = TLS_PAIR_EMPTY;
    struct cert_life a, b;
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_ca_make(&ca, "ca", &err), 0);
    CHECK_INT(cert_life_read(&a, ca.cert_pem, &err), 0);
    CHECK_INT(cert_life_read(&b, ca.cert_pem, &err), 0);
    CHECK_INT(a.renew_ms, b.renew_ms);
    CHECK(cert_life_read(&a, "nonsense", &err) < 0);
}
