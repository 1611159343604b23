#include "nodeagent/image_ref.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* What comes before the first slash is a host if it cannot be a path component. */
static bool ref_is_host(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] == '.' || s[i] == ':' || isupper((unsigned char)s[i]))
            return true;
    return len == 9 && strncmp(s, "localhost", 9) == 0;
}

static bool ref_host_char(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '.';
}

/* "registry.example.com", "10.0.0.1:5000", "[fd00::1]:5000": it becomes part of a URL. */
static bool ref_host_ok(const char *host)
{
    const char *s = host;

    if (*s == '[') {
        s += 1 + strspn(s + 1, "0123456789abcdefABCDEF:");
        if (*s++ != ']')
            return false;
    } else {
        while (ref_host_char(*s))
            s++;
        if (s == host || !isalnum((unsigned char)host[0]) || !isalnum((unsigned char)s[-1]))
            return false;
    }
    if (*s == '\0')
        return true;
    return *s == ':' && s[1] != '\0' && strspn(s + 1, "0123456789") == strlen(s + 1);
}

static bool ref_is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* '.', '_', '__' or any number of dashes, with something behind it; 0 = none of these. */
static size_t ref_separator(const char *s)
{
    size_t n = *s == '-' ? strspn(s, "-") : *s == '_' ? strspn(s, "_") : *s == '.' ? 1 : 0;

    return (*s == '_' && n > 2) || !ref_is_lower_alnum(s[n]) ? 0 : n;
}

/* Components of lower-case letters and digits, separated inside by what ref_separator knows. */
static bool ref_path_ok(const char *path)
{
    const char *s = path;

    while (ref_is_lower_alnum(*s)) {
        while (ref_is_lower_alnum(*s))
            s++;
        if (*s == '\0')
            return true;
        if (*s == '/')
            s++;
        else
            s += ref_separator(s);
    }
    return false;
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

bool image_digest_ok(const char *digest)
{
    return str_starts(digest, "sha256:") && strlen(digest) == 71 &&
           strspn(digest + 7, "0123456789abcdef") == 64;
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
    bool docker;

    if (slash != NULL && ref_is_host(name, first)) {
        if (!ref_copy(ret->registry, sizeof(ret->registry), name, first) ||
            !ref_host_ok(ret->registry))
            return false;
        name = slash + 1;
    } else {
        snprintf(ret->registry, sizeof(ret->registry), "docker.io");
    }
    if (str_eq(ret->registry, "index.docker.io"))
        snprintf(ret->registry, sizeof(ret->registry), "docker.io");
    docker = str_eq(ret->registry, "docker.io") && strchr(name, '/') == NULL;
    return snprintf(ret->path, sizeof(ret->path), "%s%s", docker ? "library/" : "", name) <
           (int)sizeof(ret->path);
}

static bool ref_parse(struct image_name *ret, char *text)
{
    char *at = strchr(text, '@');
    char *colon, *slash;

    memset(ret, 0, sizeof(*ret));
    if (at != NULL) {
        *at = '\0';
        if (!image_digest_ok(at + 1))
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
    return ref_take_name(ret, text) && ref_path_ok(ret->path);
}

int image_name_parse(struct image_name *ret, const char *ref, struct err *err)
{
    cleanup(freep) char *text = mem_str(ref);
    struct image_name n;

    if (strlen(ref) >= IMAGE_REF_MAX || !ref_parse(&n, text))
        return err_set(err, ERR_INVALID,
                       "Failed to apply default image tag \"%.200s\": couldn't parse image name "
                       "\"%.200s\": invalid reference format",
                       ref, ref);
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
    text_fmt(ret, "https://%s",
             str_eq(n->registry, "docker.io") ? "registry-1.docker.io" : n->registry);
    return false;
}
