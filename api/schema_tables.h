/* schema_tables: what api/schema/gen.py makes of api/schema/k8s.txt.
 *
 * Only schema.c reads these; everybody else asks schema.h.
 */
#ifndef API_SCHEMA_TABLES_H
#define API_SCHEMA_TABLES_H

#include "api/schema.h"
#include "schema_ids.h"

extern const struct schema_type schema_types[SCHEMA_N_TYPES]; /* by name */
extern const struct schema_kind schema_kinds[SCHEMA_N_KINDS];
extern const struct schema_resource
    schema_resources[SCHEMA_N_RESOURCES]; /* by group, version, plural */

#endif
