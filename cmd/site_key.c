#include "cmd/site_key.h"

#include "base/mem.h"
#include "base/text.h"

int site_key_main(const struct verb *self, int argc, char **argv, site_key_fn fn)
{
    struct err err = ERR_EMPTY;
    const char *kubeconfig = NULL;
    struct oneshot *o = NULL;
    int n, exit_code, rc;
    const struct opt table[] = {
        { "kubeconfig", 0, OPT_TEXT, &kubeconfig, "FILE",
          "whom to ask (default: this host's server)" },
        { .name = NULL },
    };

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n != 1 || (!str_eq(argv[0], "rotate") && !str_eq(argv[0], "status")))
        return verb_misused(self);
    rc = oneshot_new(&o, kubeconfig, &err);
    if (rc == 0)
        rc = fn(o, str_eq(argv[0], "rotate"), &err);
    oneshot_free(o);
    return rc < 0 ? verb_fail(self, &err) : VERB_DONE;
}
