/* Findings as cel-go prints them. */
#include "cel/cel_impl.h"

#include <string.h>

/* Characters before byte @n of @line. */
static size_t cel_columns(const char *line, size_t n)
{
    size_t columns = 0;

    for (size_t i = 0; i < n; i++)
        columns += ((unsigned char)line[i] & 0xc0) != 0x80;
    return columns;
}

void cel_report_add(struct cel_report *r, size_t at, const char *fmt, ...)
{
    const char *line = r->source;
    size_t number = 1, column, len;
    va_list ap;

    if (r->n++ >= CEL_FINDINGS_MAX)
        return;
    for (const char *s = r->source; s < r->source + at; s++)
        if (*s == '\n') {
            number++;
            line = s + 1;
        }
    column = cel_columns(line, (size_t)(r->source + at - line));
    len = strcspn(line, "\n");
    text_fmt(&r->text, "%sERROR: <input>:%zu:%zu: ", r->n > 1 ? "\n" : "", number, column + 1);
    va_start(ap, fmt);
    text_vfmt(&r->text, fmt, ap);
    va_end(ap);
    text_fmt(&r->text, "\n | %.*s\n | ", (int)len, line);
    for (size_t i = 0; i < column; i++)
        text_putc(&r->text, '.');
    text_putc(&r->text, '^');
}
