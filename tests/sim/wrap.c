/* wrap: in this program nobody reads the real clock or draws real randomness; the linker
 * leads here (--wrap).  The seed of hash tables is drawn before main: always the same. */
#include "tests/sim/wrap.h"
#include "base/bits.h"

static uint64_t wrap_state = 0x6d6b756265;
static int64_t wrap_now_ms;

void wrap_set_now(int64_t now_ms)
{
    wrap_now_ms = now_ms;
}

void __wrap_bits_random(void *ret, size_t len);
int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_wall_ms(void);

void __wrap_bits_random(void *ret, size_t len)
{
    unsigned char *out = ret;

    for (size_t i = 0; i < len; i++) {
        wrap_state = wrap_state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (unsigned char)(wrap_state >> 56);
    }
}

int64_t __wrap_clock_mono_ms(void)
{
    return wrap_now_ms;
}

int64_t __wrap_clock_wall_ms(void)
{
    return 1767225600000 + wrap_now_ms;
}
