/* layer: base */
#include "base/tally.h"

#include "tests/lib/test.h"

TEST(tally, counts_by_name)
{
    struct tally t = { 0 };

    CHECK_INT(tally_of(&t, "a"), 0);
    tally_add(&t, "a");
    tally_add(&t, "a");
    tally_add(&t, "b");
    CHECK_INT(tally_of(&t, "a"), 2);
    tally_sub(&t, "a");
    tally_sub(&t, "b");
    CHECK_INT(tally_of(&t, "a"), 1);
    CHECK_INT(tally_of(&t, "b"), 0);
    CHECK_INT(map_len(t.counts), 1);
    tally_fini(&t);
    tally_fini(&t);
    CHECK_INT(tally_of(&t, "a"), 0);
}
