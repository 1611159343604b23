/* layer: api */
#include "api/audit_policy.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read as a policy answers any question; what is not says why. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const groups[] = { "system:nodes", NULL };
    static const struct audit_question questions[] = {
        { .user = "bob",
          .groups = groups,
          .verb = "get",
          .is_resource = true,
          .group = "",
          .resource = "pods",
          .sub = "log",
          .ns = "a",
          .name = "x",
          .path = "/" },
        { .verb = "get",
          .group = "",
          .resource = "",
          .sub = "",
          .ns = "",
          .name = "",
          .path = "/livez" },
    };
    struct audit_policy *p = NULL;
    struct err err = ERR_EMPTY;

    if (audit_policy_new(&p, (const char *)data, size, &err) < 0) {
        assert(err.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < 2; i++)
        assert(audit_policy_ask(p, &questions[i]).level <= AUDIT_REQUEST_RESPONSE);
    audit_policy_free(p);
    return 0;
}
