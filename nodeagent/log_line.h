/* log_line: one line of a container's log file, as conmon writes it (CRI format):
 * "<RFC 3339 time> <stdout|stderr> <F|P> <text>".  Pure.
 */
#ifndef NODEAGENT_LOG_LINE_H
#define NODEAGENT_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct log_line {     /* points into the line */
    const char *time; /* "2026-11-21T01:42:48.041745916+00:00" */
    size_t time_len;
    bool is_stderr;
    bool is_whole; /* F: a newline followed; P: the rest is in the next line */
    const char *text;
    size_t text_len;
};

/* @line without its newline.  False (with *ret zeroed): not in this form. */
bool log_line_parse(struct log_line *ret, const char *line, size_t len);

#endif
