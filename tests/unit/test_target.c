/* layer: client */
#include "base/mem.h"
#include "client/target.h"
#include "tests/lib/test.h"

#include <string.h>

#define WORDS_MAX 8

/* "pods/a services/b", or the error. */
static void check_words(const char *line, const char *want)
{
    cleanup(strv_freep) char **words = str_split(line, ' ');
    cleanup(target_list_fini) struct target_list l = { .n = 0 };
    cleanup(text_fini) struct text have = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int n = 0;

    while (words[n] != NULL)
        n++;
    if (target_parse(&l, n, words, &err) < 0)
        text_puts(&have, err.text);
    else
        for (size_t i = 0; i < l.n; i++)
            text_fmt(&have, "%s%s%s%s", i > 0 ? " " : "", l.items[i].resource->plural,
                     l.items[i].name != NULL ? "/" : "",
                     l.items[i].name != NULL ? l.items[i].name : "");
    CHECK_STR(text_str(&have), want);
}

TEST(target, words_name_kinds_and_objects)
{
    check_words("po", "pods");
    check_words("po,svc", "pods services");
    check_words("deployments.apps web db", "deployments/web deployments/db");
    check_words("deploy/web Service/b", "deployments/web services/b");
    check_words("all", "pods replicationcontrollers services daemonsets deployments replicasets "
                       "statefulsets horizontalpodautoscalers cronjobs jobs");
    check_words("foo", "the server doesn't have a resource type \"foo\"");
    check_words("", "you must specify the type of resource");
    check_words("pod/a b", "there is no need to specify a resource type as a separate argument "
                           "when passing arguments in resource/name form (e.g. 'get "
                           "resource/name' instead of 'get resource resource/name')");
}

static void check_object(const char *version, const char *kind, const char *ns, bool forced,
                         const char *want)
{
    cleanup(json_decrefpp) json_t *o = json_pack("{s:s,s:s,s:{s:s}}", "apiVersion", version, "kind",
                                                 kind, "metadata", "name", "x");
    cleanup(text_fini) struct text have = TEXT_EMPTY;
    const struct schema_resource *r = NULL;
    const char *where = NULL;
    struct err err = ERR_EMPTY;

    if (ns != NULL)
        json_put_str(o, "metadata.namespace", ns);
    if (target_of_object(&r, &where, o, "here", forced, &err) < 0)
        text_puts(&have, err.text);
    else
        target_path(&have, r, where, "x");
    CHECK_STR(text_str(&have), want);
}

TEST(target, objects_live_where_they_say_or_where_we_are)
{
    check_object("v1", "Pod", NULL, false, "/api/v1/namespaces/here/pods/x");
    check_object("v1", "Pod", "own", false, "/api/v1/namespaces/own/pods/x");
    check_object("apps/v1", "Deployment", "here", true,
                 "/apis/apps/v1/namespaces/here/deployments/x");
    check_object("v1", "Namespace", NULL, true, "/api/v1/namespaces/x");
    check_object("v1", "Pod", "own", true,
                 "the namespace from the provided object \"own\" does not match the namespace "
                 "\"here\". You must pass '--namespace=own' to perform this operation.");
    check_object("v2", "Pod", NULL, false,
                 "resource mapping not found for name: \"x\" namespace: \"\": no matches for kind "
                 "\"Pod\" in version \"v2\"");
}
