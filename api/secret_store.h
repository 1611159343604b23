/* secret_store: where the keys that ExternalSecrets name are kept: Secrets of kube-system.
 *
 * A key ("erp/db") is one Secret: named after a hash of the key, labelled SECRET_STORE_LABEL,
 * the key itself in the annotation SECRET_STORE_KEY, its value in data.value.  A value is text,
 * or a JSON object whose members are the key's properties.  `mkube secretstore` writes them.
 * Pure.  Thread: any.
 */
#ifndef API_SECRET_STORE_H
#define API_SECRET_STORE_H

#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>

#define SECRET_STORE_NS      "kube-system"
#define SECRET_STORE_LABEL   "mkube.io/secretstore"
#define SECRET_STORE_KEY     "mkube.io/secretstore-key"
#define SECRET_STORE_KEY_MAX 1024

/* "mkube-secretstore-" and 32 hexadecimal digits. */
#define SECRET_STORE_NAME_MAX 64
void secret_store_name(char ret[SECRET_STORE_NAME_MAX], const char *key);

/* The value in @secret, for whoever asks for @key.  False: there is none. */
bool secret_store_value(struct text *ret, const json_t *secret, const char *key);
/* The Secret that holds @value under @key; the caller's. */
json_t *secret_store_tree(const char *key, const void *value, size_t len);

/* A member of the JSON object @value: the one of that very name, else along a dotted path, where
 * numbers index lists and "\." is a dot.  Borrowed; NULL: there is none. */
const json_t *secret_store_property(const json_t *value, const char *property);
/* Text as it is, everything else as JSON. */
void secret_store_print(struct text *ret, const json_t *value);

#endif
