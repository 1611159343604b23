/* layer: nodeagent */
#include "nodeagent/log_line.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    struct log_line l;

    if (line == NULL)
        return 0;
    memcpy(line, data, size);
    if (log_line_parse(&l, line, size) &&
        (l.time != line || l.text < line || l.text_len > size || l.text + l.text_len > line + size))
        abort();
    free(line);
    return 0;
}
