/* endpoint: what a Service makes of a pod: its address, its ports, its name.  Pure; shared by
 * the controllers of EndpointSlices and of Endpoints. */
#ifndef CONTROLPLANE_ENDPOINT_H
#define CONTROLPLANE_ENDPOINT_H

#include "controlplane/controller.h"

#define ENDPOINT_SLICES         "endpointslices.discovery.k8s.io"
#define ENDPOINT_LABEL_SERVICE  "kubernetes.io/service-name"
#define ENDPOINT_LABEL_MANAGER  "endpointslice.kubernetes.io/managed-by"
#define ENDPOINT_LABEL_HEADLESS "service.kubernetes.io/headless"

/* Has the Service a selector, and a use for endpoints? */
bool endpoint_is_wanted(const json_t *service);
/* The pods it selects that may have an endpoint: neither finished nor without an address, in
 * order of name; borrowed from the view. */
const struct object *const *endpoint_pods(struct view *v, const struct object *service,
                                          size_t *ret_n);

/* Its address of this family ("IPv4", "IPv6"), or NULL. */
const char *endpoint_address(const json_t *pod, const char *family);
/* [{name, port, protocol, appProtocol?}] as the pod resolves them; the caller's.  Named ports
 * the pod does not have are left out. */
json_t *endpoint_ports(const json_t *service, const json_t *pod);
/* The pod's own name below a headless Service, or NULL. */
const char *endpoint_hostname(const struct object *service, const json_t *pod);
json_t *endpoint_target(const struct object *pod); /* targetRef; the caller's */

/* The Service's labels, with the mark of headless ones; the caller's. */
json_t *endpoint_labels(const json_t *service);

/* Adds the Services that select the pod of @change, or did. */
void endpoint_map_pod(struct queue *q, struct view *v, const struct store_change *change);

#endif
