/* wrap: the clock that log lines and stray readers get; see wrap.c. */
#ifndef TESTS_SIM_WRAP_H
#define TESTS_SIM_WRAP_H

#include <stdint.h>

void wrap_set_now(int64_t now_ms);

#endif
