#include "net/entry_sticky.h"

#include <string.h>
#include <time.h>

bool entry_cookie_find(const struct entry_head *h, const char *name, const char **ret_value,
                       size_t *ret_len)
{
    size_t name_len = strlen(name);

    for (unsigned i = 0; i < h->n_fields; i++) {
        const struct entry_field *f = &h->fields[i];
        const char *p = entry_head_at(h, f->value), *end = p + f->value_len;

        while (entry_head_is_named(h, f, "cookie") && p < end) {
            const char *stop = memchr(p, ';', (size_t)(end - p));
            size_t n;

            stop = stop != NULL ? stop : end;
            while (p < stop && *p == ' ')
                p++;
            n = (size_t)(stop - p);
            if (n > name_len && memcmp(p, name, name_len) == 0 && p[name_len] == '=') {
                *ret_value = p + name_len + 1;
                *ret_len = n - name_len - 1;
                return true;
            }
            p = stop < end ? stop + 1 : end;
        }
    }
    return false;
}

uint64_t entry_sticky_read(const struct entry_sticky *s, const struct entry_head *h)
{
    static const char digits[] = "0123456789abcdef";
    const char *value;
    uint64_t id = 0;
    size_t len;

    if (!entry_cookie_find(h, s->cookie, &value, &len) || len != 16)
        return 0;
    for (size_t i = 0; i < len; i++) {
        const char *digit = value[i] != '\0' ? strchr(digits, value[i]) : NULL;

        if (digit == NULL)
            return 0;
        id = id << 4 | (uint64_t)(digit - digits);
    }
    return id;
}

void entry_sticky_print(struct text *ret, const struct entry_sticky *s, uint64_t id,
                        const char *path, bool is_tls, int64_t now)
{
    text_fmt(ret, "Set-Cookie: %s=%016llx", s->cookie, (unsigned long long)id);
    if (s->max_age_s > 0) {
        time_t until = (time_t)(now + s->max_age_s);
        char date[40] = "";
        struct tm tm;

        if (gmtime_r(&until, &tm) != NULL)
            strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        text_fmt(ret, "; Expires=%s; Max-Age=%lld", date, (long long)s->max_age_s);
    }
    if (s->domain != NULL)
        text_fmt(ret, "; Domain=%s", s->domain);
    text_fmt(ret, "; Path=%s", s->path != NULL ? s->path : path);
    if (is_tls || s->is_secure)
        text_puts(ret, "; Secure");
    text_puts(ret, "; HttpOnly");
    if (s->samesite != NULL)
        text_fmt(ret, "; SameSite=%s", s->samesite);
    text_puts(ret, "\r\n");
}
