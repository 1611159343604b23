#include "api/validate_names.h"

#include "api/validate.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_MAX     63
#define SUBDOMAIN_MAX 253

/* Character classes by bits; the checks below are small automata over them. */
enum {
    CHAR_LOWER = 1,
    CHAR_UPPER = 2,
    CHAR_DIGIT = 4,
    CHAR_DASH = 8,
    CHAR_DOT = 16,
    CHAR_UNDERSCORE = 32,
    CHAR_ALNUM = CHAR_LOWER | CHAR_UPPER | CHAR_DIGIT,
};

static int validate_char(char c)
{
    if (c >= 'a' && c <= 'z')
        return CHAR_LOWER;
    if (c >= 'A' && c <= 'Z')
        return CHAR_UPPER;
    if (c >= '0' && c <= '9')
        return CHAR_DIGIT;
    return c == '-' ? CHAR_DASH : c == '.' ? CHAR_DOT : c == '_' ? CHAR_UNDERSCORE : 0;
}

/* First of class @first, last of @last, between them of @middle; not empty. */
static bool validate_shape(const char *s, size_t len, int first, int middle, int last)
{
    if (len == 0 || (validate_char(s[0]) & first) == 0)
        return false;
    for (size_t i = 1; i + 1 < len; i++) {
        if ((validate_char(s[i]) & middle) == 0)
            return false;
    }
    return (validate_char(s[len - 1]) & last) != 0;
}

static bool validate_is_label(const char *s, size_t len)
{
    return validate_shape(s, len, CHAR_LOWER | CHAR_DIGIT, CHAR_LOWER | CHAR_DIGIT | CHAR_DASH,
                          CHAR_LOWER | CHAR_DIGIT);
}

static bool validate_is_subdomain(const char *s, size_t len)
{
    const char *end = s + len;

    for (;;) {
        const char *dot = memchr(s, '.', (size_t)(end - s));
        size_t part = dot != NULL ? (size_t)(dot - s) : (size_t)(end - s);

        if (!validate_is_label(s, part))
            return false;
        if (dot == NULL)
            return true;
        s = dot + 1;
    }
}

const char *validate_dns1123_label(const char *s)
{
    size_t len = strlen(s);

    if (len > LABEL_MAX)
        return "must be no more than 63 bytes";
    if (validate_is_label(s, len))
        return NULL;
    if (validate_is_subdomain(s, len))
        return "must not contain dots";
    return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
           "and must start and end with an alphanumeric character (e.g. 'my-name',  or "
           "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

const char *validate_dns1123_subdomain(const char *s)
{
    size_t len = strlen(s);

    if (len > SUBDOMAIN_MAX)
        return "must be no more than 253 bytes";
    if (validate_is_subdomain(s, len))
        return NULL;
    return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
           "'-' or '.', and must start and end with an alphanumeric character (e.g. "
           "'example.com', regex used for validation is "
           "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

const char *validate_dns1035_label(const char *s)
{
    size_t len = strlen(s);

    if (len > LABEL_MAX)
        return "must be no more than 63 bytes";
    if (validate_is_label(s, len) && validate_char(s[0]) == CHAR_LOWER)
        return NULL;
    return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
           "an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
           "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

const char *validate_wildcard_subdomain(const char *s)
{
    size_t len = strlen(s);

    if (len > SUBDOMAIN_MAX)
        return "must be no more than 253 bytes";
    if (str_starts(s, "*.") && validate_is_subdomain(s + 2, len - 2))
        return NULL;
    return "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "
           "which must consist of lower case alphanumeric characters, '-' or '.' and end with an "
           "alphanumeric character (e.g. '*.example.com', regex used for validation is "
           "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

static bool validate_is_qualified(const char *s, size_t len)
{
    return validate_shape(s, len, CHAR_ALNUM, CHAR_ALNUM | CHAR_DASH | CHAR_UNDERSCORE | CHAR_DOT,
                          CHAR_ALNUM);
}

#define QUALIFIED_FORM                                                                          \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "      \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

static const char *validate_label_prefix(const char *s, size_t len)
{
    if (len == 0)
        return "prefix part must be non-empty";
    if (len > SUBDOMAIN_MAX)
        return "prefix part must be no more than 253 bytes";
    if (validate_is_subdomain(s, len))
        return NULL;
    return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
           "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
           "'example.com', regex used for validation is "
           "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

const char *validate_label_key(const char *s)
{
    const char *slash = strchr(s, '/');
    const char *name = slash != NULL ? slash + 1 : s;
    const char *problem;
    size_t len = strlen(name);

    if (slash != NULL && strchr(name, '/') != NULL)
        return "a qualified name " QUALIFIED_FORM
               " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    if (slash != NULL) {
        problem = validate_label_prefix(s, (size_t)(slash - s));
        if (problem != NULL)
            return problem;
    }
    if (len == 0)
        return "name part must be non-empty";
    if (len > LABEL_MAX)
        return "name part must be no more than 63 bytes";
    return validate_is_qualified(name, len) ? NULL : "name part " QUALIFIED_FORM;
}

const char *validate_label_value(const char *s)
{
    size_t len = strlen(s);

    if (len > LABEL_MAX)
        return "must be no more than 63 bytes";
    if (len == 0 || validate_is_qualified(s, len))
        return NULL;
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
           "or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
           "'my_value',  or '12345', regex used for validation is "
           "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

const char *validate_any_name(const char *s)
{
    (void)s;
    return NULL;
}

const char *validate_path_segment(const char *s)
{
    if (str_eq(s, "."))
        return "may not be '.'";
    if (str_eq(s, ".."))
        return "may not be '..'";
    if (strchr(s, '/') != NULL)
        return "may not contain '/'";
    return strchr(s, '%') != NULL ? "may not contain '%'" : NULL;
}

/* v1.32 takes any printable ASCII but '='. */
const char *validate_env_name(const char *s)
{
    if (*s == '\0')
        return "environment variable name must be non-empty";
    for (; *s != '\0'; s++) {
        if (*s < ' ' || *s > '~' || *s == '=')
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
    }
    return NULL;
}

const char *validate_env_prefix(const char *s)
{
    return *s == '\0' ? NULL : validate_env_name(s);
}

const char *validate_config_key(const char *s)
{
    if (strlen(s) > SUBDOMAIN_MAX)
        return "must be no more than 253 bytes";
    for (const char *p = s; *p != '\0' || p == s; p++) {
        if (validate_char(*p) == 0)
            return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
                   "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation "
                   "is '[-._a-zA-Z0-9]+')";
    }
    if (str_eq(s, "."))
        return "must not be '.'";
    if (str_eq(s, ".."))
        return "must not be '..'";
    return str_starts(s, "..") ? "must not start with '..'" : NULL;
}

const char *validate_port_name(const char *s)
{
    size_t len = strlen(s);
    bool letter = false;

    if (len > 15)
        return "must be no more than 15 characters";
    for (size_t i = 0; i < len; i++) {
        int class = validate_char(s[i]);

        if ((class & (CHAR_LOWER | CHAR_DIGIT | CHAR_DASH)) == 0)
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        letter = letter || class == CHAR_LOWER;
    }
    if (!letter)
        return "must contain at least one letter (a-z)";
    if (strstr(s, "--") != NULL)
        return "must not contain consecutive hyphens";
    if (s[0] == '-' || s[len - 1] == '-')
        return "must not begin or end with a hyphen";
    return NULL;
}

/* Eleven characters of the Job's name are the scheduled minute. */
const char *validate_cron_job_name(const char *s)
{
    return strlen(s) > 52 ? "must be no more than 52 characters" : validate_dns1123_subdomain(s);
}

const char *validate_ipv4(const char *s)
{
    unsigned char address[4];

    return inet_pton(AF_INET, s, address) == 1 ? NULL : "must be a valid IPv4 address";
}

const char *validate_ipv6(const char *s)
{
    unsigned char address[16];

    return inet_pton(AF_INET6, s, address) == 1 ? NULL : "must be a valid IPv6 address";
}

const char *validate_ip(const char *s)
{
    if (validate_ipv4(s) == NULL || validate_ipv6(s) == NULL)
        return NULL;
    return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

const char *validate_cidr(const char *s)
{
    static const char problem[] = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    const char *slash = strchr(s, '/');
    cleanup(freep) char *address = NULL;
    uint64_t bits;

    if (slash == NULL || strlen(slash + 1) > 3 || !str_u64(slash + 1, &bits))
        return problem;
    address = mem_strn(s, (size_t)(slash - s));
    if (validate_ipv4(address) == NULL)
        return bits <= 32 ? NULL : problem;
    return validate_ipv6(address) == NULL && bits <= 128 ? NULL : problem;
}

const char *validate_http_header_name(const char *s)
{
    for (const char *p = s; *p != '\0' || p == s; p++) {
        if ((validate_char(*p) & (CHAR_ALNUM | CHAR_DASH)) == 0)
            return "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                   "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
    }
    return NULL;
}
