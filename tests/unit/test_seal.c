/* layer: storage */
#include "storage/seal.h"

#include "base/bits.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>
#include <sys/stat.h>

static const struct seal_place home = { 'o', "secrets", "default", "db", 7 };
static const char secret[] = "{\"data\":{\"password\":\"aHVudGVyMg==\"}}";

static struct seal *seal_up(void)
{
    struct seal *s = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(seal_new(&s, test_path("secrets.key"), &err), 0);
    CHECK_INT(seal_ensure(s, &err), 0);
    return s;
}

static void close_at(struct seal *s, struct text *ret, const struct seal_place *place)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(seal_close(s, ret, place, secret, strlen(secret), &err), 0);
}

static int open_at(struct seal *s, const struct text *sealed, const struct seal_place *place)
{
    cleanup(text_fini) struct text open = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc = seal_open(s, &open, place, sealed->data, sealed->len, &err);

    CHECK(rc < 0 || str_eq(text_str(&open), secret));
    CHECK(rc == 0 || err.text[0] != '\0');
    return rc;
}

TEST(seal, what_was_sealed_opens_after_a_restart)
{
    struct seal *s = seal_up();
    struct text t = TEXT_EMPTY;
    struct stat st;

    close_at(s, &t, &home);
    CHECK(seal_is_sealed(t.data, t.len) && seal_is_current(s, t.data, t.len));
    CHECK(memmem(t.data, t.len, "password", 8) == NULL);
    seal_free(s);
    CHECK_INT(stat(test_path("secrets.key"), &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    s = seal_up();
    CHECK_INT(open_at(s, &t, &home), 0);
    seal_free(s);
    text_fini(&t);
}

TEST(seal, the_same_text_twice_looks_different)
{
    struct seal *s = seal_up();
    struct text a = TEXT_EMPTY, b = TEXT_EMPTY;

    close_at(s, &a, &home);
    close_at(s, &b, &home);
    CHECK_INT(a.len, b.len);
    CHECK(memcmp(a.data, b.data, a.len) != 0);
    text_fini(&a);
    text_fini(&b);
    seal_free(s);
}

TEST(seal, each_flipped_bit_and_each_shorter_record_is_refused)
{
    struct seal *s = seal_up();
    struct text t = TEXT_EMPTY;

    close_at(s, &t, &home);
    for (size_t bit = 0; bit < t.len * 8; bit++) {
        t.data[bit / 8] ^= (char)(1 << bit % 8);
        CHECK(open_at(s, &t, &home) < 0);
        t.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    CHECK_INT(open_at(s, &t, &home), 0);
    for (size_t len = 0; len < t.len; len++)
        CHECK(open_at(s, &(struct text){ .data = t.data, .len = len }, &home) < 0);
    text_fini(&t);
    seal_free(s);
}

TEST(seal, a_record_does_not_open_in_another_place)
{
    static const struct seal_place others[] = {
        { 'c', "secrets", "default", "db", 7 },     { 'o', "configmaps", "default", "db", 7 },
        { 'o', "secrets", "kube-system", "db", 7 }, { 'o', "secrets", "default", "db2", 7 },
        { 'o', "secrets", "default", "db", 8 },     { 'o', "secrets", "", "defaultdb", 7 },
        { 'o', "secretsdefault", "", "db", 7 },
    };
    struct seal *s = seal_up();
    struct text t = TEXT_EMPTY;

    close_at(s, &t, &home);
    for (size_t i = 0; i < N_ELEMENTS(others); i++)
        CHECK_INT(open_at(s, &t, &others[i]), ERR_CORRUPT);
    text_fini(&t);
    seal_free(s);
}

TEST(seal, a_missing_key_is_named_with_its_file)
{
    struct seal *s = seal_up();
    struct text t = TEXT_EMPTY, open = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    char id[SEAL_ID_HEX];

    close_at(s, &t, &home);
    seal_active_id(s, id);
    seal_free(s);
    CHECK_INT(remove(test_path("secrets.key")), 0);
    s = seal_up();
    CHECK_INT(seal_open(s, &open, &home, t.data, t.len, &err), ERR_NOT_FOUND);
    CHECK(strstr(err.text, id) != NULL && strstr(err.text, test_path("secrets.key")) != NULL);
    text_fini(&t);
    text_fini(&open);
    seal_free(s);
}

TEST(seal, rotation_keeps_older_keys_until_they_are_dropped)
{
    struct seal *s = seal_up();
    struct text old = TEXT_EMPTY, new = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    close_at(s, &old, &home);
    CHECK_INT(seal_add_key(s, &err), 0);
    CHECK(!seal_is_current(s, old.data, old.len));
    close_at(s, &new, &home);
    seal_free(s);
    s = seal_up(); /* a power cut in between */
    CHECK_INT(seal_n_keys(s), 2);
    CHECK(seal_is_current(s, new.data, new.len));
    CHECK_INT(open_at(s, &old, &home), 0);
    CHECK_INT(seal_drop_old(s, &err), 0);
    CHECK_INT(open_at(s, &old, &home), ERR_NOT_FOUND);
    CHECK_INT(open_at(s, &new, &home), 0);
    seal_free(s);
    s = seal_up();
    CHECK_INT(seal_n_keys(s), 1);
    CHECK_INT(open_at(s, &new, &home), 0);
    text_fini(&old);
    text_fini(&new);
    seal_free(s);
}

TEST(seal, keys_have_a_limit)
{
    struct seal *s = seal_up();
    struct err err = ERR_EMPTY;

    while (seal_n_keys(s) < SEAL_KEYS)
        CHECK_INT(seal_add_key(s, &err), 0);
    CHECK_INT(seal_add_key(s, &err), ERR_BUSY);
    seal_free(s);
}

TEST(seal, a_damaged_key_file_is_refused_and_named)
{
    static const char *const bad[] = {
        "", "\n", "0123", "0123456789abcdef AAAA\n",
        "0123456789abcdef AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    };
    struct seal *s = NULL;
    struct err err = ERR_EMPTY;

    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        CHECK_INT(file_write_fast(test_path("secrets.key"), bad[i], strlen(bad[i]), 0600, &err), 0);
        CHECK_INT(seal_new(&s, test_path("secrets.key"), &err), ERR_CORRUPT);
        CHECK(strstr(err.text, test_path("secrets.key")) != NULL);
    }
}

TEST(seal, a_key_that_cannot_be_kept_is_not_used)
{
    cleanup(freep) char *dir = mem_str(test_path("gone"));
    cleanup(freep) char *path = mem_fmt("%s/secrets.key", dir);
    struct seal *s = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(seal_new(&s, path, &err), 0);
    CHECK(seal_ensure(s, &err) < 0);
    CHECK_INT(seal_n_keys(s), 0);
    seal_free(s);
}
