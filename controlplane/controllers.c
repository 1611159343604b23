#include "controlplane/controllers.h"

const struct controller *const controllers[] = {
    NULL,
};
