#include "client/tabs.h"

#include "base/mem.h"

#include <string.h>

#define TABS_PADDING 2

struct tabs_line {
    char **cells; /* owned; all but the last end with a tab */
    size_t n;
    size_t *widths; /* owned; of all but the last, once known */
};

struct tabs {
    struct tabs_line *lines;
    size_t n;
};

static size_t tabs_length(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80 ? 1 : 0; /* UTF-8: first bytes only */
    return n;
}

static struct tabs_line tabs_read_line(const char *from, size_t len)
{
    cleanup(freep) char *copy = mem_strn(from, len);
    struct tabs_line line = { .cells = str_split(copy, '\t') };

    while (line.cells[line.n] != NULL)
        line.n++;
    line.widths = MEM_NEW_ARRAY(size_t, line.n + 1);
    return line;
}

static void tabs_read(struct tabs *t, const char *in)
{
    while (*in != '\0') {
        size_t len = strcspn(in, "\n");

        t->lines = mem_grow(t->lines, t->n + 1, sizeof(*t->lines));
        t->lines[t->n++] = tabs_read_line(in, len);
        in += len + (in[len] == '\n' ? 1 : 0);
    }
}

/* The lines from @i on that have a column @k make one block: all as wide as the widest. */
static size_t tabs_block(struct tabs *t, size_t i, size_t k)
{
    size_t width = 0, end = i;

    for (; end < t->n && t->lines[end].n > k + 1; end++) {
        size_t n = tabs_length(t->lines[end].cells[k]);

        width = n > width ? n : width;
    }
    for (size_t j = i; j < end; j++)
        t->lines[j].widths[k] = width + TABS_PADDING;
    return end;
}

static void tabs_measure(struct tabs *t)
{
    size_t most = 0;

    for (size_t i = 0; i < t->n; i++)
        most = t->lines[i].n > most ? t->lines[i].n : most;
    for (size_t k = 0; k + 1 < most; k++)
        for (size_t i = 0; i < t->n;) {
            size_t end = tabs_block(t, i, k);

            i = end > i ? end : i + 1;
        }
}

void tabs_print(struct text *ret, const char *in)
{
    struct tabs t = { .n = 0 };

    tabs_read(&t, in);
    tabs_measure(&t);
    for (size_t i = 0; i < t.n; i++) {
        const struct tabs_line *line = &t.lines[i];

        for (size_t k = 0; k < line->n; k++)
            text_fmt(ret, "%s%*s", line->cells[k],
                     k + 1 < line->n ? (int)(line->widths[k] - tabs_length(line->cells[k])) : 0,
                     "");
        text_putc(ret, '\n');
        strv_free(line->cells);
        free(line->widths);
    }
    free(t.lines);
}
