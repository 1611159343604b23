#include "nodeagent/pod_status_make.h"

#include "api/conditions.h"
#include "api/pod_resources.h"
#include "base/clock.h"
#include "base/mem.h"
#include "nodeagent/volume.h"

#include <string.h>

static void status_put_time(json_t *tree, const char *path, int64_t wall_ms)
{
    char text[CLOCK_TEXT_MAX];

    if (wall_ms <= 0)
        return;
    clock_print(text, wall_ms);
    json_put_str(tree, path, text);
}

static void status_put_text(json_t *tree, const char *path, const char *text)
{
    if (!str_empty(text))
        json_put_str(tree, path, text);
}

/* Consumes @list; an empty one is left out. */
static void status_put_list(json_t *status, const char *key, json_t *list)
{
    if (json_array_size(list) > 0)
        json_put(status, key, list);
    else
        json_decref(list);
}

static void status_put_id(json_t *tree, const char *path, const char *id)
{
    cleanup(freep) char *uri = id[0] == '\0' ? NULL : mem_fmt("mkube://%s", id);

    status_put_text(tree, path, uri);
}

static json_t *status_terminated(const struct container_end *end)
{
    json_t *t = json_object();

    json_put_int(t, "exitCode", end->exit_code);
    status_put_text(t, "reason", end->reason);
    status_put_text(t, "message", end->message);
    status_put_time(t, "startedAt", end->started_ms);
    status_put_time(t, "finishedAt", end->finished_ms);
    status_put_id(t, "containerID", end->id);
    return t;
}

static json_t *status_waiting(const struct container_facts *c, bool has_init)
{
    json_t *w = json_object();

    json_put_str(w, "reason",
                 c->waiting != NULL ? c->waiting
                 : has_init         ? "PodInitializing"
                                    : "ContainerCreating");
    status_put_text(w, "message", c->waiting_message);
    return w;
}

/* Does container @i say that it waits for its restart?  Then its end moves to lastState; until it
 * says so, how it ended is its state (STATUS: Error, OOMKilled, Completed). */
static bool status_is_held(const struct pod_status_input *in, size_t i)
{
    return ((in->plan->held | in->plan->start) >> i & 1) &&
           in->facts->containers[i].waiting != NULL;
}

static json_t *status_state(const struct pod_status_input *in, size_t i, bool has_init)
{
    const struct container_facts *c = &in->facts->containers[i];
    json_t *state = json_object();

    if (c->phase == CONTAINER_RUNNING) {
        json_t *running = json_object();

        status_put_time(running, "startedAt", c->started_ms);
        json_put(state, "running", running);
    } else if (c->phase == CONTAINER_EXITED && !status_is_held(in, i)) {
        json_put(state, "terminated", status_terminated(&c->end));
    } else {
        json_put(state, "waiting", status_waiting(c, has_init));
    }
    return state;
}

/* The life before the state shown: the present end when the container waits for its next life. */
static const struct container_end *status_last(const struct pod_status_input *in, size_t i)
{
    const struct container_facts *c = &in->facts->containers[i];

    if (c->phase == CONTAINER_EXITED && status_is_held(in, i))
        return &c->end;
    return c->last.id[0] == '\0' ? NULL : &c->last;
}

static bool status_is_ready(const struct pod_status_input *in, size_t i)
{
    const struct container_facts *c = &in->facts->containers[i];

    if (in->pod->containers[i].kind == CONTAINER_EPHEMERAL)
        return false; /* the kubelet never says so */
    if (in->pod->containers[i].kind == CONTAINER_INIT)
        return c->phase == CONTAINER_EXITED && c->end.exit_code == 0;
    return c->phase == CONTAINER_RUNNING && c->started && c->ready;
}

/* Where the container's volumes are; what is read-only at the top is not so below it. */
static void status_mounts(json_t *status, const json_t *spec)
{
    json_t *list = json_array(), *mount;
    size_t i;

    json_array_foreach (json_at(spec, "volumeMounts"), i, mount) {
        json_t *shown = json_pack("{s:s, s:s}", "name", json_str_or(mount, "name", ""), "mountPath",
                                  json_str_or(mount, "mountPath", ""));

        if (json_bool(mount, "readOnly", false)) {
            json_put_bool(shown, "readOnly", true);
            json_put_str(shown, "recursiveReadOnly",
                         volume_is_recursive(mount) ? "Enabled" : "Disabled");
        }
        json_array_append_new(list, shown);
    }
    status_put_list(status, "volumeMounts", list);
}

static json_t *status_container(const struct pod_status_input *in, size_t i, bool has_init)
{
    const struct container_view *view = &in->pod->containers[i];
    const struct container_facts *c = &in->facts->containers[i];
    const struct container_end *last = status_last(in, i);
    json_t *s = json_object();
    json_t *last_state = json_object();

    json_put_str(s, "name", view->name);
    json_put(s, "state", status_state(in, i, has_init));
    if (last != NULL)
        json_put(last_state, "terminated", status_terminated(last));
    json_put(s, "lastState", last_state);
    json_put_bool(s, "ready", status_is_ready(in, i));
    json_put_int(s, "restartCount", c->restarts);
    json_put_str(s, "image", view->image);
    json_put_str(s, "imageID", c->image_id == NULL ? "" : c->image_id);
    status_put_id(s, "containerID",
                  c->phase == CONTAINER_RUNNING  ? c->id
                  : c->phase == CONTAINER_EXITED ? c->end.id
                  : last != NULL                 ? last->id
                                                 : "");
    if (view->kind != CONTAINER_EPHEMERAL)
        json_put_bool(s, "started", c->phase == CONTAINER_RUNNING && c->started);
    status_mounts(s, view->spec);
    return s;
}

/* "containers with unready status: [a b]"; false when all are fine. */
static bool status_unready(struct text *ret, const struct pod_status_input *in)
{
    for (size_t i = 0; i < in->pod->n; i++) {
        enum container_kind kind = in->pod->containers[i].kind;

        if (kind == CONTAINER_INIT || kind == CONTAINER_EPHEMERAL || status_is_ready(in, i))
            continue;
        text_fmt(ret, "%s%s", ret->len == 0 ? "containers with unready status: [" : " ",
                 in->pod->containers[i].name);
    }
    if (ret->len > 0)
        text_putc(ret, ']');
    return ret->len > 0;
}

static void status_initialized(json_t *status, const struct pod_status_input *in)
{
    cleanup(text_fini) struct text names = TEXT_EMPTY;
    int64_t now = in->facts->now_wall_ms;

    if (in->plan->is_initialized) {
        condition_set(status, "Initialized", "True",
                      in->plan->phase == POD_SUCCEEDED ? "PodCompleted" : NULL, NULL, now);
        return;
    }
    for (size_t i = 0; i < in->pod->n && in->pod->containers[i].kind != CONTAINER_MAIN; i++) {
        const struct container_facts *c = &in->facts->containers[i];
        bool is_done = in->pod->containers[i].kind == CONTAINER_INIT
                           ? c->phase == CONTAINER_EXITED && c->end.exit_code == 0
                           : c->phase == CONTAINER_RUNNING && c->started;

        if (!is_done)
            text_fmt(&names, "%s%s", names.len == 0 ? "containers with incomplete status: [" : " ",
                     in->pod->containers[i].name);
    }
    text_putc(&names, ']');
    condition_set(status, "Initialized", "False", "ContainersNotInitialized", text_str(&names),
                  now);
}

/* The first readiness gate that is not True: its sentence.  False: none. */
static bool status_gate(struct text *ret, const struct pod_view *pod)
{
    size_t i;
    json_t *gate;

    json_array_foreach (json_at(pod->spec, "readinessGates"), i, gate) {
        const char *type = json_str_or(gate, "conditionType", "");
        const json_t *condition = condition_get(json_at(pod->tree, "status"), type);

        if (condition == NULL)
            text_fmt(ret, "corresponding condition of pod readiness gate \"%s\" does not exist.",
                     type);
        else if (!str_eq(json_str(condition, "status"), "True"))
            text_fmt(ret, "the status of pod readiness gate \"%s\" is not \"True\", but %s", type,
                     json_str_or(condition, "status", ""));
        if (ret->len > 0)
            return true;
    }
    return false;
}

static void status_ready(json_t *status, const struct pod_status_input *in)
{
    cleanup(text_fini) struct text unready = TEXT_EMPTY;
    cleanup(text_fini) struct text gate = TEXT_EMPTY;
    int64_t now = in->facts->now_wall_ms;
    const char *over = in->plan->phase == POD_SUCCEEDED ? "PodCompleted"
                       : in->plan->phase == POD_FAILED  ? "PodFailed"
                                                        : NULL;

    if (over != NULL) {
        condition_set(status, "ContainersReady", "False", over, NULL, now);
        condition_set(status, "Ready", "False", over, NULL, now);
        return;
    }
    if (status_unready(&unready, in)) {
        condition_set(status, "ContainersReady", "False", "ContainersNotReady", text_str(&unready),
                      now);
        condition_set(status, "Ready", "False", "ContainersNotReady", text_str(&unready), now);
        return;
    }
    condition_set(status, "ContainersReady", "True", NULL, NULL, now);
    if (status_gate(&gate, in->pod))
        condition_set(status, "Ready", "False", "ReadinessGatesNotReady", text_str(&gate), now);
    else
        condition_set(status, "Ready", "True", NULL, NULL, now);
}

/* A new list of our conditions in @status, in the kubelet's order whatever theirs was: a status
 * made twice of the same facts must be the same, or it would be published twice. */
static json_t *status_our_conditions(const json_t *status)
{
    static const char *const ours[] = {
        "PodReadyToStartContainers", "Initialized",  "Ready",
        "ContainersReady",           "PodScheduled", "DisruptionTarget"
    };
    json_t *list = json_array();

    for (size_t i = 0; i < N_ELEMENTS(ours); i++) {
        const json_t *condition = condition_get(status, ours[i]);

        if (condition != NULL)
            json_array_append_new(list, json_deep_copy(condition));
    }
    return list;
}

/* From those published before, so that transition times survive. */
static void status_conditions(json_t *status, const struct pod_status_input *in)
{
    json_put(status, "conditions", status_our_conditions(in->before));
    condition_set(status, "PodReadyToStartContainers", in->has_sandbox ? "True" : "False", NULL,
                  NULL, in->facts->now_wall_ms);
    status_initialized(status, in);
    status_ready(status, in);
    condition_set(status, "PodScheduled", "True", NULL, NULL, in->facts->now_wall_ms);
    if (in->is_evicted)
        condition_set(status, "DisruptionTarget", "True", "TerminationByKubelet", in->message,
                      in->facts->now_wall_ms);
    json_put(status, "conditions", status_our_conditions(status));
}

static void status_addresses(json_t *status, const struct pod_status_input *in)
{
    const char *pod_ip = in->pod->host_network && in->has_sandbox ? in->host_ip : in->pod_ip;

    status_put_text(status, "hostIP", in->host_ip);
    if (!str_empty(in->host_ip))
        json_put(status, "hostIPs", json_pack("[{s:s}]", "ip", in->host_ip));
    if (!str_empty(pod_ip)) {
        json_put_str(status, "podIP", pod_ip);
        json_put(status, "podIPs", json_pack("[{s:s}]", "ip", pod_ip));
    }
}

json_t *pod_status_make(const struct pod_status_input *in)
{
    json_t *status = json_object();
    json_t *init = json_array(), *mains = json_array(), *ephemeral = json_array();
    json_t *const lists[] = { [CONTAINER_INIT] = init,
                              [CONTAINER_SIDECAR] = init,
                              [CONTAINER_MAIN] = mains,
                              [CONTAINER_EPHEMERAL] = ephemeral };
    bool has_init = in->pod->containers[0].kind != CONTAINER_MAIN;

    json_put_str(status, "phase", pod_phase_name(in->plan->phase));
    if (in->plan->phase == POD_FAILED || in->plan->reason != NULL) {
        status_put_text(status, "reason", in->plan->reason);
        status_put_text(status, "message", in->message);
    }
    status_conditions(status, in);
    status_addresses(status, in);
    status_put_time(status, "startTime", in->facts->started_wall_ms);
    /* Of a pod that was never let in the kubelet shows no containers. */
    for (size_t i = 0; i < in->pod->n && !in->is_rejected; i++)
        json_array_append_new(lists[in->pod->containers[i].kind],
                              status_container(in, i, has_init));
    status_put_list(status, "initContainerStatuses", init);
    status_put_list(status, "containerStatuses", mains);
    status_put_list(status, "ephemeralContainerStatuses", ephemeral);
    json_put_str(status, "qosClass", pod_qos(in->pod->spec));
    return status;
}

/* Lists that merge by ip would keep an address the pod had before its network was made anew. */
static void status_replace_list(json_t *status, const char *key)
{
    json_t *list = json_object_get(status, key);

    if (list != NULL)
        json_array_insert_new(list, 0, json_pack("{s:s}", "$patch", "replace"));
}

/* Conditions merge by type, member by member: what one no longer has must be taken away. */
static void status_clear_absent(json_t *condition)
{
    static const char *const members[] = { "reason", "message" };

    for (size_t i = 0; i < N_ELEMENTS(members); i++)
        if (json_object_get(condition, members[i]) == NULL)
            json_object_set_new(condition, members[i], json_null());
}

json_t *pod_status_patch(const struct pod_view *pod, const json_t *status)
{
    static const char *const gone[] = { "reason", "message", "podIP", "podIPs" };
    json_t *copy = json_deep_copy(status);
    json_t *condition;
    size_t n;

    json_array_foreach (json_object_get(copy, "conditions"), n, condition)
        status_clear_absent(condition);
    status_replace_list(copy, "podIPs");
    status_replace_list(copy, "hostIPs");
    for (size_t i = 0; i < N_ELEMENTS(gone); i++)
        if (json_object_get(copy, gone[i]) == NULL)
            json_object_set_new(copy, gone[i], json_null());
    return json_pack("{s:{s:s}, s:o}", "metadata", "uid", pod->uid, "status", copy);
}
