/* What a write may do that depends on who writes: questions to the authoriser on the way. */
#include "api/registry_impl.h"

static const char *const access_masters[] = { "system:masters", NULL };
const struct registry_user registry_itself = { .name = "system:apiserver",
                                               .groups = access_masters,
                                               .uid = "" };

bool op_may(const struct op *op, const struct auth_question *q)
{
    struct auth_user user;

    if (op->user == NULL) /* nobody asks: the simulator, tests */
        return true;
    auth_borrow_user(&user, op->user->name, op->user->groups, op->user->uid);
    return auth_may(&user, op->r->store, q);
}
