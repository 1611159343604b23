/* quoted: trees of JSON that is written with single quotes, so that C strings stay readable. */
#ifndef TESTS_LIB_QUOTED_H
#define TESTS_LIB_QUOTED_H

#include "base/json.h"

/* The caller's; NULL gives NULL.  What cannot be read fails the test and shows @text. */
json_t *quoted(const char *text);

#endif
