#include "nodeagent/pod_worker_impl.h"

#include "base/mem.h"
#include "nodeagent/image_ref.h"
#include "nodeagent/pull_auths.h"

static const struct {
    int rc;
    const char *reason;
} image_refusals[] = {
    { IMAGE_INVALID_NAME, "InvalidImageName" },
    { IMAGE_PULL_FAILED, "ErrImagePull" },
    { IMAGE_NEVER_PULL, "ErrImageNeverPull" },
};

static void container_image_refused(struct worker_container *c, int rc, const struct err *err)
{
    struct pod_worker *w = c->worker;
    const struct container_view *v = container_view(c);
    const char *reason = "ErrImagePull";

    for (size_t i = 0; i < N_ELEMENTS(image_refusals); i++)
        if (image_refusals[i].rc == rc)
            reason = image_refusals[i].reason;
    if (rc == IMAGE_INVALID_NAME)
        events_pod(w->host->events, w->pod, v->name, EVENT_WARNING, "InspectFailed", "%s",
                   err->text);
    else if (rc == IMAGE_NEVER_PULL)
        events_pod(w->host->events, w->pod, v->name, EVENT_WARNING, "ErrImageNeverPull",
                   "Container image \"%s\" is not present with pull policy of Never", v->image);
    else
        events_pod(w->host->events, w->pod, v->name, EVENT_WARNING, "Failed",
                   "Failed to pull image \"%s\": %s", v->image, err->text);
    events_pod(w->host->events, w->pod, v->name, EVENT_WARNING, "Failed", "Error: %s", reason);
    container_refuse(c, reason, err->text);
}

static void container_on_image(void *arg, int rc, const struct image *img,
                               const struct image_event_info *info, const struct err *err)
{
    struct worker_container *c = arg;
    struct pod_worker *w = c->worker;
    const struct container_view *v = container_view(c);
    struct container_facts *f = container_facts(c);

    c->request = NULL;
    if (rc != 0) {
        container_image_refused(c, rc, err);
        return;
    }
    if (info->was_present)
        events_pod(w->host->events, w->pod, v->name, EVENT_NORMAL, "Pulled",
                   "Container image \"%s\" already present on machine", v->image);
    else
        events_pod(w->host->events, w->pod, v->name, EVENT_NORMAL, "Pulled",
                   "Successfully pulled image \"%s\" in %lldms (%lldms including waiting). "
                   "Image size: %llu bytes.",
                   v->image, (long long)info->pull_ms, (long long)info->wait_ms,
                   (unsigned long long)info->size);
    c->image = image_ref(img);
    free(f->image_id);
    f->image_id = mem_str(img->digest[0] != '\0' ? img->digest : img->id);
    container_pulled(c);
}

static enum image_pull_policy container_pull_policy(const struct container_view *v)
{
    const char *policy = json_str_or(v->spec, "imagePullPolicy", "IfNotPresent");

    return str_eq(policy, "Always")  ? IMAGE_ALWAYS
           : str_eq(policy, "Never") ? IMAGE_NEVER
                                     : IMAGE_IF_NOT_PRESENT;
}

/* A secret that is not there does no harm to an image that needs none: it is only said. */
static void container_say_secrets(const struct worker_container *c)
{
    const struct pod_worker *w = c->worker;
    cleanup(text_fini) struct text missing = TEXT_EMPTY;
    size_t i;
    json_t *ref;

    json_array_foreach (json_at(w->pod->spec, "imagePullSecrets"), i, ref) {
        const char *name = json_str_or(ref, "name", "");

        if (pod_lookup_find(w->lookup, "secrets", name) == NULL)
            text_fmt(&missing, "%s%s", missing.len == 0 ? "" : ", ", name);
    }
    if (missing.len > 0)
        events_pod(w->host->events, w->pod, NULL, EVENT_WARNING, "FailedToRetrieveImagePullSecret",
                   "Unable to retrieve some image pull secrets (%s); attempting to pull the image "
                   "may not succeed.",
                   text_str(&missing));
}

void container_pull(struct worker_container *c)
{
    struct pod_worker *w = c->worker;
    const struct container_view *v = container_view(c);
    enum image_pull_policy policy = container_pull_policy(v);
    bool has_secrets = json_array_size(json_at(w->pod->spec, "imagePullSecrets")) > 0;
    struct pull_auths auths = { .n = 0 };
    struct image_name name;
    struct err ignored = ERR_EMPTY;

    if (has_secrets && !pod_lookup_ready(w->lookup))
        return;
    if (has_secrets)
        pull_auths_make(&auths, w->pod, pod_lookup_find, w->lookup);
    container_say_secrets(c);
    if (policy != IMAGE_NEVER && image_name_parse(&name, v->image, &ignored) == 0 &&
        image_known(w->host->images, v->image) == NULL)
        events_pod(w->host->events, w->pod, v->name, EVENT_NORMAL, "Pulling",
                   "Pulling image \"%s\"", v->image);
    c->request = image_ensure(w->host->images, v->image, policy, auths.list, container_on_image, c);
    pull_auths_fini(&auths);
}
