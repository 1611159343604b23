#include "controlplane/job_impl.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

void job_indexes_add(struct job_indexes *s, int64_t i)
{
    if (i < 0 || i >= s->n || s->has[i])
        return;
    s->has[i] = true;
    s->count++;
}

bool job_indexes_has(const struct job_indexes *s, int64_t i)
{
    return i >= 0 && i < s->n && s->has[i];
}

/* "3" or "5-7"; what is no such thing, or beyond the end, is left out. */
static void job_indexes_read_part(struct job_indexes *s, const char *part)
{
    char *dash = NULL;
    long long first = strtoll(part, &dash, 10), last = first;

    if (dash == part)
        return;
    if (*dash == '-')
        last = strtoll(dash + 1, NULL, 10);
    for (long long i = first; i >= 0 && i <= last && i < s->n; i++)
        job_indexes_add(s, i);
}

void job_indexes_init(struct job_indexes *s, int64_t n, const char *text)
{
    cleanup(strv_freep) char **parts = str_split(text ? text : "", ',');

    assert(n >= 0);
    *s = (struct job_indexes){ .n = n };
    s->has = MEM_NEW_ARRAY(bool, (size_t)n + 1);
    for (size_t i = 0; parts[i]; i++)
        job_indexes_read_part(s, parts[i]);
}

void job_indexes_fini(struct job_indexes *s)
{
    free(s->has);
    s->has = NULL;
}

void job_indexes_print(const struct job_indexes *s, struct text *ret)
{
    for (int64_t i = 0; i < s->n; i++) {
        int64_t last = i;

        if (!s->has[i])
            continue;
        while (last + 1 < s->n && s->has[last + 1])
            last++;
        text_fmt(ret, "%s%lld", ret->len > 0 ? "," : "", (long long)i);
        /* Two in a row are told one by one, as in Kubernetes. */
        if (last > i)
            text_fmt(ret, "%c%lld", last == i + 1 ? ',' : '-', (long long)last);
        i = last;
    }
}
