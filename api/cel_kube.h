/* cel_kube: what Kubernetes adds to the language of rules: quantities, URLs, addresses.
 *
 * Source: k8s.io/apiserver/pkg/cel/library (quantity.go, urls.go, ip.go, cidr.go).  Not there:
 * named formats, the authorizer; an expression that names one of them does
 * not compile.  Pure.  Thread: any.
 */
#ifndef API_CEL_KUBE_H
#define API_CEL_KUBE_H

#include "cel/cel.h"

extern const struct cel_library cel_lib_quantity; /* cel_quantity.c */
extern const struct cel_library cel_lib_url;      /* cel_url.c */
extern const struct cel_library cel_lib_address;  /* cel_address.c */

/* All of them, NULL-terminated, as struct cel_env wants it. */
extern const struct cel_library *const cel_kube_libraries[];

#endif
