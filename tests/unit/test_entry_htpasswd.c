/* layer: net */
#include "base/mem.h"
#include "base/text.h"
#include "net/entry_htpasswd.h"
#include "tests/lib/test.h"

/* Made by htpasswd(1) and openssl-passwd(1). */
static const struct {
    const char *hash, *password;
} vectors[] = {
    { "$apr1$V4uKuiCT$eFwCH27Bauhz3SMG.icnt.", "s3cret" },
    { "$apr1$12345678$4GdAkRFE4EJOZKwlclo3v1", "myPassword" },
    { "$apr1$abc$BfqKdn9xFDWJPa3kcp/PH0", "" },
    { "$apr1$12345678$RkSsHiO1RUdjaoav57ZaW/", "a much longer password than sixteen bytes" },
    { "$2y$05$vcMn9QkGofHAit1Ctj48duAR4A0gVhk5f4eltMQUTtxm8KO04FqPG", "s3cret" },
    { "{SHA}/vNB+F2HQ559kaLUZbmHHvZrXpg=", "s3cret" },
    { "{SSHA}JVrhyTqab1YvH3vR2b1RYUumqqZzYWx0", "s3cret" },
    { "{PLAIN}s3cret", "s3cret" },
    { "IR9jGgznS.j8M", "s3cret" },
    { "$5$Ezgukk0BotZTfHis$VazOT73.Kgut0Kl.R/8oNchd5NPD8J4I1WXNKcsiBr4", "s3cret" },
    { "$6$abcdefgh$Z7KfoKnKTSZrzo5VZ0YubGLQOj9ov6sHo9TmE3zIU/"
      "LHKhpE30zCnZ0mcIXYf9r9rQ4DYaXoxAFSPFlcWdxjB.",
      "s3cret" },
};

TEST(entry_htpasswd, every_format_knows_its_password_and_no_other)
{
    for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
        cleanup(freep) char *other = mem_fmt("x%s", vectors[i].password);

        if (!entry_htpasswd_is(vectors[i].hash, vectors[i].password) ||
            entry_htpasswd_is(vectors[i].hash, other))
            test_failed(vectors[i].hash, __FILE__, __LINE__);
    }
}

TEST(entry_htpasswd, broken_hashes_let_nobody_in)
{
    static const char *const hashes[] = { "",        "*",       "$apr1$", "$apr1$salt", "{SHA}",
                                          "{SHA}??", "{SSHA}x", "s3cret", "$2y$05$x",   "$9$x$y" };

    for (size_t i = 0; i < N_ELEMENTS(hashes); i++) {
        CHECK(!entry_htpasswd_is(hashes[i], "s3cret"));
        CHECK(!entry_htpasswd_is(hashes[i], ""));
    }
}

TEST(entry_htpasswd, a_user_is_found_by_the_whole_name)
{
    static const char file[] = "alice2:wrong\r\nalice:right:a remark\n\nbob:other";
    static const struct {
        const char *user, *hash;
    } rows[] = { { "alice", "right" }, { "bob", "other" }, { "alic", NULL }, { "", NULL } };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *hash = entry_htpasswd_find(file, rows[i].user);

        CHECK_STR(hash, rows[i].hash);
    }
}
