/* controllers: every row of the table in controllers.c, each defined in its own file. */
#ifndef CONTROLPLANE_CONTROLLERS_H
#define CONTROLPLANE_CONTROLLERS_H

#include "controlplane/controller.h"

extern const struct controller cronjob_controller;
extern const struct controller daemonset_controller;
extern const struct controller deployment_controller;
extern const struct controller hpa_controller;
extern const struct controller job_controller;
extern const struct controller replicaset_controller;
extern const struct controller replication_controller;
extern const struct controller statefulset_controller;
extern const struct controller scheduler_controller;
extern const struct controller endpointslice_controller;
extern const struct controller endpointmirror_controller;
extern const struct controller endpoints_controller;
extern const struct controller nodelife_controller;
extern const struct controller eviction_controller;
extern const struct controller namespace_controller;
extern const struct controller namespace_extras_controller;
extern const struct controller collector_controller;
extern const struct controller definition_controller;
extern const struct controller binder_controller;
extern const struct controller podgc_controller;
extern const struct controller budget_controller;
extern const struct controller usage_controller;
extern const struct controller balancer_controller;
extern const struct controller externalsecret_controller;
extern const struct controller secretstore_controller;
extern const struct controller account_token_controller;
extern const struct controller aggregation_controller;
extern const struct controller csrapproving_controller;
extern const struct controller csrcleaner_controller;

#endif
