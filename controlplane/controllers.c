#include "controlplane/controllers.h"

const struct controller *const controllers[] = {
    &replicaset_controller,
    NULL,
};
