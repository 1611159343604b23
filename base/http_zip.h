/* http_zip: gzip for answers: a whole body, or a stream in pieces.
 *
 * Fast rather than small: the loop waits for it.  A stream holds 256 KiB while it lives.
 * Thread: any, unshared.
 */
#ifndef BASE_HTTP_ZIP_H
#define BASE_HTTP_ZIP_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

/* Does Accept-Encoding (NULL: absent) name gzip without refusing it (RFC 9110 section 12.5.3)? */
bool http_zip_accepted(const char *accept);
/* malloc'ed; NULL: it would not become smaller. */
char *http_zip_whole(const void *body, size_t len, size_t *ret_len);

struct http_zip;
struct http_zip *http_zip_new(void); /* NULL: no memory, send it plain */
/* Appends to @out what is ready; the rest comes later, all of it with @last. */
void http_zip_add(struct http_zip *z, struct text *out, const void *data, size_t len, bool last);
struct http_zip *http_zip_free(struct http_zip *z); /* NULL is fine; returns NULL */

#endif
