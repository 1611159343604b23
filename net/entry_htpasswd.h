/* entry_htpasswd: passwords as htpasswd(1) keeps them: $apr1$, {SHA}, {SSHA}, {PLAIN}, and all
 * that crypt(5) knows (bcrypt, $5$, $6$, $y$, $1$, DES).
 *
 * Comparing is slow on purpose (bcrypt: 100 ms): not for a loop.  Pure.
 */
#ifndef NET_ENTRY_HTPASSWD_H
#define NET_ENTRY_HTPASSWD_H

#include <stdbool.h>
#include <stddef.h>

/* The hash of @user in a file of "user:hash" lines, owned; NULL: there is no such user. */
char *entry_htpasswd_find(const char *file, const char *user);
bool entry_htpasswd_is(const char *hash, const char *password);

#endif
