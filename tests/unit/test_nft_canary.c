/* layer: net */
#include "net/nft_canary.h"

#include "base/child.h"
#include "base/loop.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#define RULES "table ip mkube_canary {}\ndelete table ip mkube_canary\ntable ip mkube_canary {\n}\n"

static bool has_own_network; /* of this test: it makes and flushes tables */

static void nft(const char *rules)
{
    static const char *const argv[] = { "nft", "-f", "-", NULL };
    struct child_spec spec = {
        .argv = argv, .input = rules, .input_len = strlen(rules), .deadline_ms = 10000
    };
    struct err err = ERR_EMPTY;

    if (!has_own_network)
        has_own_network = unshare(CLONE_NEWNET) == 0;
    if (child_run_sync(&spec, NULL, NULL, &err) < 0)
        test_failed(err.text, rules, 0);
}

TEST(nft_canary, sings_while_the_table_is_there)
{
    if (geteuid() != 0)
        return;
    nft(RULES);
    CHECK(nft_canary_sings("mkube_canary"));
    CHECK(!nft_canary_sings("mkube_canary_of_nobody"));
    nft("flush ruleset\n");
    CHECK(!nft_canary_sings("mkube_canary"));
}

TEST(nft_canary, a_name_that_no_table_can_have_is_no_loss)
{
    char name[512];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    CHECK(nft_canary_sings(name));
}

static void count(void *arg)
{
    ++*(int *)arg;
}

/* Nothing is lost of a table that was only deleted: the loop ends, for no timer runs. */
TEST(nft_canary, a_table_that_is_not_wanted_is_not_watched)
{
    uv_loop_t loop;
    int lost = 0;
    struct nft_canary *c;

    uv_loop_init(&loop);
    c = nft_canary_new(&loop, "mkube_canary", count, &lost);
    nft_canary_watch(c, RULES);
    nft_canary_watch(c, "table ip mkube_canary {}\ndelete table ip mkube_canary\n");
    uv_run(&loop, UV_RUN_DEFAULT);
    nft_canary_watch(c, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(lost == 0);
    nft_canary_close(c);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
}
