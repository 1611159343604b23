#include "nodeagent/log_line.h"

#include <string.h>

bool log_line_parse(struct log_line *ret, const char *line, size_t len)
{
    const char *end = line + len;
    const char *stream, *tag;
    struct log_line l = { .time = line };

    *ret = (struct log_line){ .time = NULL };
    stream = memchr(line, ' ', len);
    /* conmon's times have at least the length of a bare RFC 3339 one. */
    if (stream == NULL || stream - line < 20 || end - stream < 8)
        return false;
    l.time_len = (size_t)(stream - line);
    stream++;
    tag = memchr(stream, ' ', (size_t)(end - stream));
    if (tag == NULL || tag - stream != 6 || (tag[1] != 'F' && tag[1] != 'P'))
        return false;
    l.is_stderr = memcmp(stream, "stderr", 6) == 0;
    if (!l.is_stderr && memcmp(stream, "stdout", 6) != 0)
        return false;
    l.is_whole = tag[1] == 'F';
    /* An empty line ends after the tag, with or without the blank. */
    l.text = tag + 2 < end ? tag + 3 : end;
    l.text_len = l.text < end ? (size_t)(end - l.text) : 0;
    if (tag + 2 < end && tag[2] != ' ')
        return false;
    *ret = l;
    return true;
}
