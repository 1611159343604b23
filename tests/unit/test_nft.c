/* layer: net */
#include "net/nft.h"

#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

/* An nft of our own: each transaction goes to a log; it fails while there is a file "broken". */
struct fixture {
    uv_loop_t loop;
    struct nft *nft;
    const char *rules; /* NULL: not known; "": cannot be known */
    int n_asked;
    char *path; /* before */
};

static int print(void *arg, struct text *ret, struct err *err)
{
    struct fixture *f = arg;

    f->n_asked++;
    if (f->rules == NULL)
        return 0;
    if (f->rules[0] == '\0')
        return err_set(err, ERR_INTERNAL, "no rules today");
    text_puts(ret, f->rules);
    return 1;
}

static void put(const char *name, const char *text, mode_t mode)
{
    struct err err = ERR_EMPTY;

    CHECK(file_write_fast(test_path(name), text, strlen(text), mode, &err) == 0);
}

static void up(struct fixture *f)
{
    const struct nft_opts opts = { .what = "a test", .settle_ms = 5, .print = print, .arg = f };
    const char *dir = test_dir();
    cleanup(freep) char *path = mem_fmt("%s:%s", dir, getenv("PATH"));
    cleanup(freep) char *script = mem_fmt("#!/bin/sh\n{ cat; echo; } >>%s/log\ntest ! -e "
                                          "%s/broken\n",
                                          dir, dir);

    *f = (struct fixture){ .path = mem_str(getenv("PATH")) };
    put("nft", script, 0755);
    setenv("PATH", path, 1);
    uv_loop_init(&f->loop);
    f->nft = nft_new(&f->loop, &opts);
}

static void down(struct fixture *f)
{
    CHECK(nft_close(f->nft) == NULL);
    loop_finish(&f->loop);
    setenv("PATH", f->path, 1);
    free(f->path);
}

static bool logged(const char *want)
{
    cleanup(text_fini) struct text have = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    return file_read(&have, test_path("log"), 4096, &err) >= 0 && str_eq(text_str(&have), want);
}

static void change(struct fixture *f, const char *rules)
{
    f->rules = rules;
    nft_changed(f->nft);
}

TEST(nft, carries_out_what_is_new)
{
    struct fixture f;

    up(&f);
    change(&f, "one");
    change(&f, "two");
    CHECK_SOON(&f.loop, logged("two\n"), 10000);
    change(&f, "two"); /* holds already */
    CHECK_SOON(&f.loop, f.n_asked == 2, 10000);
    change(&f, "three");
    CHECK_SOON(&f.loop, logged("two\nthree\n"), 10000);
    down(&f);
}

TEST(nft, changes_during_a_transaction_come_after_it_together)
{
    struct fixture f;

    up(&f);
    change(&f, "one");
    CHECK_SOON(&f.loop, f.n_asked == 1, 10000);
    change(&f, "two");
    change(&f, "three");
    CHECK_SOON(&f.loop, logged("one\nthree\n"), 10000);
    CHECK_INT(f.n_asked, 2);
    down(&f);
}

TEST(nft, a_failed_transaction_is_tried_with_what_is_true_then)
{
    struct fixture f;

    up(&f);
    put("broken", "", 0600);
    change(&f, "one");
    CHECK_SOON(&f.loop, logged("one\n"), 10000);
    CHECK(remove(test_path("broken")) == 0);
    f.rules = "two";
    CHECK_SOON(&f.loop, logged("one\ntwo\n"), 20000);
    change(&f, "two");
    CHECK_SOON(&f.loop, f.n_asked == 3, 10000);
    CHECK(logged("one\ntwo\n"));
    down(&f);
}

TEST(nft, rules_that_are_not_known_are_asked_for_again)
{
    struct fixture f;

    up(&f);
    change(&f, NULL);
    CHECK_SOON(&f.loop, f.n_asked == 1, 10000);
    change(&f, "");
    CHECK_SOON(&f.loop, f.n_asked == 2, 10000);
    f.rules = "one"; /* without a word: a failure is asked again */
    CHECK_SOON(&f.loop, logged("one\n"), 20000);
    down(&f);
}
