#include "controlplane/controllers.h"

const struct controller *const controllers[] = {
    &cronjob_controller,
    &daemonset_controller,
    &deployment_controller,
    &job_controller,
    &replicaset_controller,
    &statefulset_controller,
    &scheduler_controller,
    &endpointslice_controller,
    &endpointmirror_controller,
    &endpoints_controller,
    &nodelife_controller,
    &eviction_controller,
    &namespace_controller,
    &namespace_extras_controller,
    &collector_controller,
    &binder_controller,
    &podgc_controller,
    &budget_controller,
    NULL,
};
