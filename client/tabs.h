/* tabs: text whose tabs become columns, each block of lines as wide as it needs (Go's
 * text/tabwriter, padding of two blanks): the layout of `describe`.  Pure.
 */
#ifndef CLIENT_TABS_H
#define CLIENT_TABS_H

#include "base/text.h"

/* Appends @in to @ret with its tabs made blanks. */
void tabs_print(struct text *ret, const char *in);

#endif
