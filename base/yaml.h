/* yaml: YAML 1.1 documents, as Kubernetes' tools read them, into JSON trees.
 *
 * Resolves plain scalars as kubectl does (sigs.k8s.io/yaml over yaml.v2: true/false/yes/no/
 * on/off, null/~, ints, floats, octal 0o and 0), expands anchors with a bound (no billion
 * laughs: 1,000,000 nodes), refuses duplicate keys and cycles.  Thread: any.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/err.h"
#include "base/json.h"

/* All documents of @data as a JSON array (empty documents are skipped).
 * ERR_BAD_REQUEST names line and column. */
int yaml_parse(json_t **ret_docs, const char *data, size_t len, struct err *err);

/* Block style, keys sorted, strings quoted where a reader could take them for something else. */
void yaml_print(struct text *t, const json_t *tree);

#endif
