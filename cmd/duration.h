/* duration: "90s", "1h30m", "2.5h" as people give them on a command line.  Pure. */
#ifndef CMD_DURATION_H
#define CMD_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* Go's units ns, us, ms, s, m, h; not negative.  False: no duration. */
bool duration_parse(const char *s, int64_t *ret_ms);

#endif
