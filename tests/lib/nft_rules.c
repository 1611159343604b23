/* layer: base */
#include "tests/lib/nft_rules.h"

#include "base/child.h"
#include "tests/lib/test.h"

#include <string.h>
#include <unistd.h>

void check_nft_takes(const char *rules)
{
    static const char *const argv[] = { "unshare", "-n", "nft", "-f", "-", NULL };
    struct child_spec spec = {
        .argv = argv, .input = rules, .input_len = strlen(rules), .deadline_ms = 20000
    };
    struct err err = ERR_EMPTY;

    if (geteuid() == 0 && child_run_sync(&spec, NULL, NULL, &err) < 0)
        test_failed(err.text, rules, 0);
}

void check_nft_rules(const char *rules, const char *const *wanted)
{
    for (size_t i = 0; wanted[i] != NULL; i++) {
        bool absent = wanted[i][0] == '!';

        if ((strstr(rules, wanted[i] + absent) == NULL) != absent)
            test_failed(wanted[i], rules, 0);
    }
    check_nft_takes(rules);
}
