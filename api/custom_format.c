/* Formats of strings that OpenAPI schemas name, as go-openapi's strfmt reads them. */
#include "api/custom_tree.h"

#include "api/decode_scalar.h"
#include "api/validate_names.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool custom_format_any(const char *s)
{
    (void)s;
    return true;
}

static bool custom_format_date_time(const char *s)
{
    cleanup(json_decrefpp) json_t *text = json_string(s), *better = NULL;
    struct err err = ERR_EMPTY;

    return text != NULL && decode_time(&better, text, &err) == 0;
}

static bool custom_format_date(const char *s)
{
    cleanup(freep) char *whole = mem_fmt("%sT00:00:00Z", s);

    return strlen(s) == 10 && custom_format_date_time(whole);
}

static bool custom_format_byte(const char *s)
{
    cleanup(json_decrefpp) json_t *text = json_string(s), *better = NULL;
    struct err err = ERR_EMPTY;

    return text != NULL && decode_bytes(&better, text, &err) == 0;
}

static bool custom_format_ipv4(const char *s)
{
    struct in_addr a;

    return inet_pton(AF_INET, s, &a) == 1;
}

static bool custom_format_ipv6(const char *s)
{
    struct in6_addr a;

    return inet_pton(AF_INET6, s, &a) == 1;
}

static bool custom_format_cidr(const char *s)
{
    const char *slash = strchr(s, '/');
    cleanup(freep) char *address = mem_strn(s, slash != NULL ? (size_t)(slash - s) : 0);
    uint64_t bits;

    if (slash == NULL || !str_u64(slash + 1, &bits))
        return false;
    return (custom_format_ipv4(address) && bits <= 32) ||
           (custom_format_ipv6(address) && bits <= 128);
}

/* url.ParseRequestURI: absolute, or a path from the root. */
static bool custom_format_uri(const char *s)
{
    size_t scheme = strcspn(s, ":/?#");

    for (const char *p = s; *p != '\0'; p++)
        if ((unsigned char)*p < 0x21 || *p == 0x7f)
            return false;
    if (s[0] == '/')
        return true;
    if (scheme == 0 || s[scheme] != ':' || !isalpha((unsigned char)s[0]))
        return false;
    for (size_t i = 0; i < scheme; i++)
        if (!isalnum((unsigned char)s[i]) && strchr("+-.", s[i]) == NULL)
            return false;
    return s[scheme + 1] != '\0';
}

static bool custom_format_email(const char *s)
{
    const char *at = strrchr(s, '@');

    return at != NULL && at > s && at[1] != '\0' && strpbrk(s, " \t\n") == NULL &&
           strchr(s, '@') == at;
}

static bool custom_format_hostname(const char *s)
{
    size_t label = 0, len = strlen(s);

    if (len == 0 || len > 255)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool edge = label == 0 || s[i + 1] == '.' || s[i + 1] == '\0';

        if (s[i] == '.' && label == 0)
            return false;
        label = s[i] == '.' ? 0 : label + 1;
        if (s[i] != '.' && !isalnum((unsigned char)s[i]) && (edge || s[i] != '-'))
            return false;
        if (label > 63)
            return false;
    }
    return true;
}

static bool custom_format_uuid(const char *s)
{
    static const char form[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";

    if (strlen(s) != sizeof(form) - 1)
        return false;
    for (size_t i = 0; form[i] != '\0'; i++)
        if (form[i] == '-' ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
            return false;
    return true;
}

static bool custom_format_mac(const char *s)
{
    size_t len = strlen(s);

    if (len != 17 && len != 23)
        return false;
    for (size_t i = 0; i < len; i++)
        if (i % 3 == 2 ? s[i] != ':' && s[i] != '-' : !isxdigit((unsigned char)s[i]))
            return false;
    return true;
}

/* "1h30m", "1.5s", "-2ms" */
static bool custom_format_duration(const char *s)
{
    static const char *const units[] = { "ns", "us", "ms", "h", "m", "s", "d", "w" };

    s += *s == '-' || *s == '+';
    if (str_eq(s, "0"))
        return true;
    if (*s == '\0')
        return false;
    while (*s != '\0') {
        size_t digits = strspn(s, "0123456789."), unit = 0;

        for (size_t i = 0; i < N_ELEMENTS(units) && unit == 0; i++)
            if (str_starts(s + digits, units[i]))
                unit = strlen(units[i]);
        if (digits == 0 || unit == 0)
            return false;
        s += digits + unit;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*holds)(const char *s);
} custom_formats[] = {
    { "date-time", custom_format_date_time },
    { "datetime", custom_format_date_time },
    { "date", custom_format_date },
    { "byte", custom_format_byte },
    { "ipv4", custom_format_ipv4 },
    { "ipv6", custom_format_ipv6 },
    { "cidr", custom_format_cidr },
    { "uri", custom_format_uri },
    { "email", custom_format_email },
    { "hostname", custom_format_hostname },
    { "uuid", custom_format_uuid },
    { "uuid3", custom_format_uuid },
    { "uuid4", custom_format_uuid },
    { "uuid5", custom_format_uuid },
    { "mac", custom_format_mac },
    { "duration", custom_format_duration },
    { "password", custom_format_any },
    /* of numbers */
    { "int32", custom_format_any },
    { "int64", custom_format_any },
    { "float", custom_format_any },
    { "double", custom_format_any },
    { "int-or-string", custom_format_any },
};

static size_t custom_format_find(const char *format)
{
    size_t i = 0;

    while (i < N_ELEMENTS(custom_formats) && !str_eq(custom_formats[i].name, format))
        i++;
    return i;
}

bool custom_format_known(const char *format)
{
    return custom_format_find(format) < N_ELEMENTS(custom_formats);
}

bool custom_format_holds(const char *format, const char *text)
{
    size_t i = custom_format_find(format);

    return i == N_ELEMENTS(custom_formats) || custom_formats[i].holds(text);
}
