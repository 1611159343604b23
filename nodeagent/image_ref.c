#include "nodeagent/image_ref.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool ref_is_host(const char *s, size_t len)
{
    return memchr(s, '.', len) != NULL || memchr(s, ':', len) != NULL
           || (len == 9 && strncmp(s, "localhost", 9) == 0);
}

static bool ref_is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Path components: lower-case letters and digits, separated by '.', '_', '__' or dashes. */
static bool ref_path_ok(const char *path)
{
    bool start = true;

    for (const char *s = path; *s != '\0'; s++) {
        if (*s == '/') {
            if (start || s[1] == '\0' || !ref_is_lower_alnum(s[-1]))
                return false;
            start = true;
        } else if (ref_is_lower_alnum(*s)) {
            start = false;
        } else if (start || strchr("._-", *s) == NULL) {
            return false;
        }
    }
    return !start && ref_is_lower_alnum(path[strlen(path) - 1]);
}

static bool ref_tag_ok(const char *tag)
{
    size_t len = strlen(tag);

    if (len == 0 || len > 128 || (!isalnum((unsigned char)tag[0]) && tag[0] != '_'))
        return false;
    for (const char *s = tag; *s != '\0'; s++)
        if (!isalnum((unsigned char)*s) && strchr("_.-", *s) == NULL)
            return false;
    return true;
}

static bool ref_digest_ok(const char *digest)
{
    return str_starts(digest, "sha256:") && strlen(digest) == 71
           && strspn(digest + 7, "0123456789abcdef") == 64;
}

static bool ref_copy(char *ret, size_t size, const char *s, size_t len)
{
    if (len >= size)
        return false;
    memcpy(ret, s, len);
    ret[len] = '\0';
    return true;
}

/* Registry and path out of what is before tag and digest. */
static bool ref_take_name(struct image_name *ret, const char *name)
{
    const char *slash = strchr(name, '/');
    size_t first = slash != NULL ? (size_t)(slash - name) : 0;

    if (slash != NULL && ref_is_host(name, first)) {
        return ref_copy(ret->registry, sizeof(ret->registry), name, first)
               && ref_copy(ret->path, sizeof(ret->path), slash + 1, strlen(slash + 1));
    }
    snprintf(ret->registry, sizeof(ret->registry), "docker.io");
    return snprintf(ret->path, sizeof(ret->path), "%s%s", slash == NULL ? "library/" : "", name)
           < (int)sizeof(ret->path);
}

static bool ref_parse(struct image_name *ret, char *text)
{
    char *at = strchr(text, '@');
    char *colon, *slash;

    memset(ret, 0, sizeof(*ret));
    if (at != NULL) {
        *at = '\0';
        if (!ref_digest_ok(at + 1))
            return false;
        snprintf(ret->digest, sizeof(ret->digest), "%.71s", at + 1);
    }
    colon = strrchr(text, ':');
    slash = strrchr(text, '/');
    if (colon != NULL && (slash == NULL || colon > slash)) {
        *colon = '\0';
        if (!ref_tag_ok(colon + 1))
            return false;
        snprintf(ret->tag, sizeof(ret->tag), "%.128s", colon + 1);
    } else if (at == NULL) {
        snprintf(ret->tag, sizeof(ret->tag), "latest");
    }
    if (!ref_take_name(ret, text))
        return false;
    if (str_eq(ret->registry, "index.docker.io"))
        snprintf(ret->registry, sizeof(ret->registry), "docker.io");
    return ref_path_ok(ret->path);
}

int image_name_parse(struct image_name *ret, const char *ref, struct err *err)
{
    cleanup(freep) char *text = mem_str(ref);
    struct image_name n;

    if (strlen(ref) >= IMAGE_REF_MAX || !ref_parse(&n, text))
        return err_set(err, ERR_INVALID,
                       "Failed to apply default image tag \"%.200s\": couldn't parse image name "
                       "\"%.200s\": invalid reference format", ref, ref);
    *ret = n;
    return 0;
}

void image_name_print(struct text *ret, const struct image_name *n)
{
    text_fmt(ret, "%s/%s", n->registry, n->path);
    if (n->tag[0] != '\0')
        text_fmt(ret, ":%s", n->tag);
    if (n->digest[0] != '\0')
        text_fmt(ret, "@%s", n->digest);
}

const char *image_name_reference(const struct image_name *n)
{
    return n->digest[0] != '\0' ? n->digest : n->tag;
}

bool image_name_url(struct text *ret, const struct image_name *n, const char *const *mirrors)
{
    const char *any = NULL;

    for (size_t i = 0; mirrors != NULL && mirrors[i] != NULL; i++) {
        const char *equals = strchr(mirrors[i], '=');
        size_t len = equals != NULL ? (size_t)(equals - mirrors[i]) : 0;

        if (len == strlen(n->registry) && strncmp(mirrors[i], n->registry, len) == 0) {
            text_puts(ret, equals + 1);
            return true;
        }
        if (len == 1 && mirrors[i][0] == '*')
            any = equals + 1;
    }
    if (any != NULL) {
        text_puts(ret, any);
        return true;
    }
    text_fmt(ret, "https://%s", str_eq(n->registry, "docker.io") ? "registry-1.docker.io" : n->registry);
    return false;
}
