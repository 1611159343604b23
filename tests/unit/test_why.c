/* layer: client */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "client/why.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#define WHY_SITUATIONS "tests/unit/data/why.yaml"

static json_t *why_situations(void)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *docs = NULL;
    struct err err = ERR_EMPTY;

    if (file_read(&t, WHY_SITUATIONS, 1 << 20, &err) < 0 ||
        yaml_parse(&docs, text_str(&t), t.len, &err) < 0)
        fail_msg("%s", err.text);
    return json_incref(json_array_get(docs, 0));
}

static void check_last(const json_t *s, const struct why *why)
{
    const char *last = json_str(s, "last");
    bool found = last == NULL;

    for (size_t i = 0; i < why->n; i++)
        found = found || str_eq(why->findings[i].says, last);
    CHECK(found);
}

static void check_situation(const json_t *s)
{
    const char *kind = json_str(s, "kind");
    struct why_world w = { .lists = json_at(s, "lists") };
    cleanup(why_fini) struct why why = { .n = 0 };
    int64_t n = json_int(s, "found", 1);

    CHECK(clock_parse("2026-01-01T12:00:00Z", &w.now_ms));
    why_find(&why, &w, kind, json_array_get(json_object_get(w.lists, kind), 0));
    if (why.n != (size_t)n || (n > 0 && !str_eq(why.findings[0].says, json_str(s, "says"))))
        print_error("situation: %s: %zu findings: %s\n", json_str(s, "it"), why.n,
                    why.n > 0 ? why.findings[0].says : "");
    CHECK_INT(why.n, n);
    if (n == 0)
        return;
    CHECK_STR(why.findings[0].says, json_str(s, "says"));
    if (json_str(s, "tries") != NULL)
        CHECK_STR(why.findings[0].tries, json_str(s, "tries"));
    if (json_str(s, "way") != NULL)
        CHECK_STR(why.findings[0].way, json_str(s, "way"));
    if (json_str(s, "log") != NULL)
        CHECK_STR(why.findings[0].log_container, json_str(s, "log"));
    CHECK_INT(why.findings[0].n_alike, json_int(s, "alike", 0));
    check_last(s, &why);
}

TEST(why, says_what_keeps_things_from_being_well)
{
    cleanup(json_decrefpp) json_t *all = why_situations();
    const json_t *s;
    size_t i;

    CHECK(json_array_size(all) >= 70);
    json_array_foreach (all, i, s)
        check_situation(s);
}

TEST(why, tells_each_trouble_once_worst_first)
{
    cleanup(json_decrefpp) json_t *lists = quoted(
        "{'nodes':[{'metadata':{'name':'w1'},'spec':{'unschedulable':true},'status':{'conditions':"
        "[{'type':'Ready','status':'True'}]}}],"
        "'pods':[{'metadata':{'name':'x','namespace':'ns'},'spec':{'nodeName':'w1','containers':"
        "[{'name':'c'}]},'status':{'containerStatuses':[{'name':'c','state':{'terminated':"
        "{'exitCode':1}}}]}}]}");
    struct why_world w = { .lists = lists, .now_ms = 1 };
    cleanup(why_fini) struct why why = { .n = 0 };
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    why_find_all(&why, &w);
    CHECK_INT(why.n, 2);
    CHECK_STR(why.findings[0].object, "pod/x");
    CHECK_STR(why.findings[1].object, "node/w1");
    why_print(&t, &why.findings[0], "one\ntwo\n");
    CHECK_STR(text_str(&t), "BROKEN ns: pod/x\n"
                            "  why: container c fails with exit code 1 (0 restarts)\n"
                            "  log: one\n"
                            "  log: two\n"
                            "  try: read its last lines: mkube logs x -n ns -c c --previous\n");
    text_clear(&t);
    why_print(&t, &why.findings[1], NULL);
    CHECK_STR(text_str(&t), "NOTE node/w1\n"
                            "  why: it is cordoned: it gets no new pods\n"
                            "  try: mkube uncordon w1\n");
}
