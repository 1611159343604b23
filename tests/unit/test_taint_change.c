/* layer: client */
#include "client/taint_change.h"

#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

#define HAVE "[{'key':'gpu','value':'a','effect':'NoSchedule'},{'key':'gpu','effect':'NoExecute'}]"

/* What @words, with blanks between them, make of a node that has @have: "done: taints" or why not. */
static void check(const char *have, const char *words, bool overwrite, const char *want)
{
    cleanup(json_decrefpp) json_t *taints = quoted(have), *after = NULL;
    cleanup(json_decrefpp) json_t *node = json_pack("{s:{s:s},s:{s:O}}", "metadata", "name", "w1",
                                                    "spec", "taints", taints);
    cleanup(strv_freep) char **argv = str_split(words, ' ');
    struct taint_change c = { NULL };
    const char *done = "";
    struct err err = ERR_EMPTY;
    int n = 0;

    while (argv[n] != NULL)
        n++;
    if (taint_change_parse(&c, n, argv, &err) < 0 ||
        taint_change_apply(&after, &done, &c, node, overwrite, &err) < 0) {
        CHECK_STR(err.text, want);
    } else {
        cleanup(freep) char *text = json_print(after, NULL);
        cleanup(freep) char *all = mem_fmt("%s: %s", done, text);

        for (char *s = all; *s != '\0'; s++)
            *s = *s == '"' ? '\'' : *s;
        CHECK_STR(all, want);
    }
    taint_change_fini(&c);
}

TEST(taint_change, words_set_and_take_away)
{
    check("[]", "a=b:NoSchedule", false,
          "tainted: [{'key':'a','value':'b','effect':'NoSchedule'}]");
    check("[]", "example.com/a:NoExecute b:PreferNoSchedule", false,
          "tainted: [{'key':'example.com/a','effect':'NoExecute'},"
          "{'key':'b','effect':'PreferNoSchedule'}]");
    check(HAVE, "gpu-", false, "untainted: []");
    check(HAVE, "gpu:NoExecute-", false,
          "untainted: [{'key':'gpu','value':'a','effect':'NoSchedule'}]");
    check(HAVE, "gpu=b:NoSchedule", true,
          "modified: [{'key':'gpu','value':'b','effect':'NoSchedule'},"
          "{'key':'gpu','effect':'NoExecute'}]");
}

TEST(taint_change, what_cannot_be_is_told)
{
    check(HAVE, "gpu=b:NoSchedule", false,
          "node w1 already has gpu taint(s) with same effect(s) and --overwrite is false");
    check(HAVE, "other-", false, "taint \"other\" not found");
    check(HAVE, "gpu:PreferNoSchedule-", false, "taint \"gpu:PreferNoSchedule\" not found");
    check("[]", "a=b", false,
          "invalid taint spec: a=b, name part must consist of alphanumeric characters, '-', '_' or "
          "'.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
          "'my.name',  or '123-abc', regex used for validation is "
          "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')");
    check("[]", "a:Never", false, "invalid taint effect: Never, unsupported taint effect");
    check("[]", "a=b=c:NoExecute", false, "invalid taint spec: a=b=c:NoExecute");
    check("[]", "a:NoExecute:x", false, "invalid taint spec: a:NoExecute:x");
    check("[]", "a:NoExecute a=b:NoExecute", false,
          "duplicated taints with the same key and effect: a=b:NoExecute");
    check(
        "[]", "a:NoExecute a-", false,
        "can not both modify and remove the following taint(s) in the same command: {\"a\":\"\"}");
    check("[]", "a:NoExecute b", false, "all resources must be specified before taint changes: b");
}
