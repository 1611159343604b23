#include "net/entry_annotations.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_ANNOTATIONS_MAX_S (7 * 24 * 3600)

typedef bool (*entry_annotation_fn)(void *field, const char *value);

/* "60", as the nginx annotations have it, and "60s". */
static bool entry_annotation_seconds(void *field, const char *value)
{
    size_t len = strlen(value);
    cleanup(freep) char *digits = mem_strn(value, str_ends(value, "s") ? len - 1 : len);
    uint64_t seconds;

    if (!str_u64(digits, &seconds) || seconds == 0 || seconds > ENTRY_ANNOTATIONS_MAX_S)
        return false;
    *(int64_t *)field = (int64_t)seconds * 1000;
    return true;
}

/* "8m", "512k", "1g", "1048576"; 0 = any, as nginx' client_max_body_size. */
static bool entry_annotation_bytes(void *field, const char *value)
{
    static const char units[] = "kmg";
    size_t len = strlen(value);
    const char *unit = len > 0 ? strchr(units, tolower((unsigned char)value[len - 1])) : NULL;
    cleanup(freep) char *digits = mem_strn(value, unit != NULL ? len - 1 : len);
    unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
    uint64_t n;

    if (!str_u64(digits, &n) || n > (UINT64_MAX >> shift))
        return false;
    *(uint64_t *)field = n << shift;
    return true;
}

static const struct entry_annotation {
    const char *name;
    entry_annotation_fn read;
    size_t offset;
} entry_annotations[] = {
#define ROW_(name, read, field)                          \
    {                                                    \
        name, read, offsetof(struct entry_policy, field) \
    }
    ROW_("nginx.ingress.kubernetes.io/proxy-connect-timeout", entry_annotation_seconds, connect_ms),
    ROW_("nginx.ingress.kubernetes.io/proxy-read-timeout", entry_annotation_seconds, read_ms),
    ROW_("nginx.ingress.kubernetes.io/proxy-send-timeout", entry_annotation_seconds, send_ms),
    ROW_("nginx.ingress.kubernetes.io/proxy-body-size", entry_annotation_bytes, max_body),
#undef ROW_
};

void entry_annotations_read(struct entry_policy *ret, const json_t *annotations,
                            const char **ret_bad)
{
    const char *bad = NULL;

    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < N_ELEMENTS(entry_annotations); i++) {
        const struct entry_annotation *a = &entry_annotations[i];
        const char *value = json_string_value(json_object_get(annotations, a->name));

        if (value != NULL && !a->read((char *)ret + a->offset, value))
            bad = a->name;
    }
    if (ret_bad != NULL)
        *ret_bad = bad;
}
