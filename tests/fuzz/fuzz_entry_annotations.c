/* layer: net */
#include "base/mem.h"
#include "base/text.h"
#include "net/entry_annotations.h"
#include "net/entry_cors.h"
#include "net/entry_htpasswd.h"
#include "net/entry_regex.h"
#include "net/entry_sticky.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line of the input, owned. */
static char *fuzz_line(const char **at)
{
    size_t n = strcspn(*at, "\n");
    char *line = mem_strn(*at, n);

    *at += n + ((*at)[n] == '\n');
    return line;
}

/* Whatever path matches whatever expression: what is asked for is the target of one request. */
static void fuzz_rewrite(const char *pattern, const char *path, const char *target)
{
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    struct entry_regex *r = NULL;
    struct err err = ERR_EMPTY;
    bool gave_up = false, found;

    if (entry_regex_new(&r, pattern, true, &err) < 0)
        return;
    found = entry_regex_matches(r, path, &gave_up);
    assert(!found || !gave_up);
    if (entry_regex_rewrite(r, &out, path, target, "q=1", 3)) {
        assert(found && out.data[0] == '/' && strlen(out.data) == out.len);
        for (size_t i = 0; i < out.len; i++)
            assert((unsigned char)out.data[i] > 0x20 && out.data[i] != 0x7f);
    } else {
        assert(out.len == 0);
    }
    entry_regex_free(r);
}

static size_t fuzz_count(const char *s, char c)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += *s == c;
    return n;
}

/* No value becomes a header field of its own. */
static void fuzz_fields(const struct entry_policy *p, const char *origin)
{
    cleanup(text_fini) struct text out = TEXT_EMPTY;

    if (p->cors.is_on && entry_cors_allows(&p->cors, origin, strlen(origin))) {
        entry_cors_print(&out, &p->cors, "o", 1);
        assert(fuzz_count(text_str(&out), '\n') ==
               4u + p->cors.credentials + (p->cors.exposed[0] != '\0'));
    }
    text_clear(&out);
    if (p->sticky.cookie != NULL) {
        entry_sticky_print(&out, &p->sticky, 1, "/", true, 0);
        assert(fuzz_count(text_str(&out), '\n') == 1 && str_starts(out.data, "Set-Cookie: "));
    }
    assert(p->upstream_host == NULL || strpbrk(p->upstream_host, " \r\n") == NULL);
    assert(p->app_root == NULL || strpbrk(p->app_root, " \r\n") == NULL);
    assert(!p->basic.is_on || p->basic.secret != NULL || p->closed != NULL);
}

/* Lines: an expression, a path, a target, an origin, a stored password; then annotations. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(freep) char *whole = mem_strn((const char *)data, size);
    const char *at = whole;
    cleanup(freep) char *pattern = fuzz_line(&at), *path = fuzz_line(&at), *target = fuzz_line(&at);
    cleanup(freep) char *origin = fuzz_line(&at), *hash = fuzz_line(&at);
    cleanup(json_decrefpp) json_t *annotations = NULL;
    struct err err = ERR_EMPTY;

    fuzz_rewrite(pattern, path, target);
    free(entry_htpasswd_find(whole, origin));
    /* crypt(3) takes its time, and is not ours. */
    if (str_starts(hash, "$apr1$") || str_starts(hash, "{"))
        entry_htpasswd_is(hash, origin);
    if (json_parse(&annotations, at, strlen(at), NULL, &err) < 0 || !json_is_object(annotations))
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        struct entry_dialect_opts opts = { .ns = "ns", .is_alb = i == 1 };
        struct entry_arena arena = { NULL };
        struct entry_policy policy;

        entry_annotations_read(&policy, &arena, annotations, &opts);
        fuzz_fields(&policy, origin);
        entry_arena_fini(&arena);
    }
    return 0;
}
