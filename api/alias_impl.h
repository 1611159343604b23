/* alias_impl: kinds whose two versions differ by more than names, a file each.  Private to
 * api/alias*.c; see alias.h.
 */
#ifndef API_ALIAS_IMPL_H
#define API_ALIAS_IMPL_H

#include "base/json.h"

/* --- alias_scaler.c: HorizontalPodAutoscalers, v1 to v2 and back --- */
void alias_scaler_in(json_t *tree);
void alias_scaler_out(json_t *tree);

#endif
