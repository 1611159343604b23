#include "client/target_pod.h"

#include "api/pod_status.h"
#include "api/selector.h"
#include "base/mem.h"
#include "client/pick.h"
#include "client/print.h"
#include "client/verb.h"

#include <stdio.h>
#include <string.h>

#define TARGET_POD_DEFAULT "kubectl.kubernetes.io/default-container"

bool target_pod_selector(struct text *ret, const json_t *object)
{
    const json_t *selector = json_at(object, "spec.selector");
    cleanup(selector_freep) struct selector *s = NULL;
    struct err err = ERR_EMPTY;

    if (json_object_size(selector) == 0)
        return false;
    if (json_at(selector, "matchLabels") == NULL && json_at(selector, "matchExpressions") == NULL)
        s = selector_from_map(selector);
    else if (selector_from_json(&s, selector, &err) < 0)
        return false;
    selector_print(s, ret);
    return true;
}

/* Those that run come first, then those that are ready. */
static int target_pod_worth(const json_t *pod)
{
    return (pod_is_ready(pod) ? 2 : 0) + (str_eq(json_str(pod, "status.phase"), "Running") ? 1 : 0);
}

static int target_pod_of(json_t **ret, struct session *s, const char *word, const char *selector)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    json_t *pod, *best = NULL;
    size_t i, n;

    target_path(&path, schema_resource("", "v1", "pods"), session_namespace(s), NULL);
    session_query(&path, "labelSelector", selector);
    if (session_call(s, "GET", text_str(&path), NULL, NULL, &answer, &err) < 0)
        return session_complain(&answer, &err, NULL);
    json_array_foreach (json_at(answer.body, "items"), i, pod)
        if (best == NULL || target_pod_worth(pod) > target_pod_worth(best))
            best = pod;
    n = json_array_size(json_at(answer.body, "items"));
    if (best == NULL) {
        err_set(&err, ERR_NOT_FOUND, "%s has no pods", word);
        return verb_error(&err);
    }
    if (n > 1)
        fprintf(stderr, "Found %zu pods, using pod/%s\n", n,
                json_str_or(best, "metadata.name", ""));
    *ret = json_incref(best);
    return VERB_DONE;
}

int target_pod(json_t **ret, struct session *s, const char *word)
{
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    cleanup(freep) char *name = strchr(word, '/') != NULL ? mem_str(word) : mem_fmt("pod/%s", word);
    cleanup(text_fini) struct text selector = TEXT_EMPTY;
    struct pick_opts opts = { .recursive = false };
    struct err err = ERR_EMPTY;

    if (pick_find(&pick, s, &opts, 1, &name, &err) < 0)
        return verb_error(&err);
    if (pick.n == 0)
        return VERB_FAILED;
    if (str_eq(pick.objects[0].resource->plural, "pods")) {
        *ret = json_incref(pick.objects[0].live);
        return VERB_DONE;
    }
    if (target_pod_selector(&selector, pick.objects[0].live))
        return target_pod_of(ret, s, word, text_str(&selector));
    err_set(&err, ERR_INVALID, "cannot attach to *%s: selector for %s not implemented",
            pick.objects[0].resource->kind, word);
    return verb_error(&err);
}

void target_pod_container(struct text *ret, const json_t *pod, const char *wanted, bool quiet)
{
    const json_t *containers = json_at(pod, "spec.containers"), *c;
    const json_t *inits = json_at(pod, "spec.initContainers");
    const json_t *ephemeral = json_at(pod, "spec.ephemeralContainers");
    const char *name = wanted;
    size_t i;

    if (name == NULL)
        name = json_string_value(
            json_object_get(json_at(pod, "metadata.annotations"), TARGET_POD_DEFAULT));
    if (wanted == NULL && (name == NULL || json_find(containers, "name", name) == NULL))
        name = json_str_or(json_array_get(containers, 0), "name", "");
    text_puts(ret, name);
    if (wanted != NULL || quiet ||
        json_array_size(containers) + json_array_size(inits) + json_array_size(ephemeral) < 2)
        return;
    fprintf(stderr, "Defaulted container \"%s\" out of: ", name);
    json_array_foreach (containers, i, c)
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", json_str_or(c, "name", ""));
    json_array_foreach (ephemeral, i, c)
        fprintf(stderr, ", %s (ephem)", json_str_or(c, "name", ""));
    json_array_foreach (inits, i, c)
        fprintf(stderr, ", %s (init)", json_str_or(c, "name", ""));
    fputc('\n', stderr);
}
