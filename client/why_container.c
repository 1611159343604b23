/* Rules for one container of a pod. */
#include "api/quantity.h"
#include "base/mem.h"
#include "client/why_impl.h"

#include <string.h>
#include <strings.h>

static const char *why_waiting(const struct why_case *c)
{
    return json_str_or(c->status, "state.waiting.reason", "");
}

static const char *why_waiting_message(const struct why_case *c)
{
    return json_str_or(c->status, "state.waiting.message", "");
}

/* How it ended: this time when it is still shown, else the last. */
static const json_t *why_ended(const struct why_case *c)
{
    const json_t *now = json_at(c->status, "state.terminated");

    return now != NULL ? now : json_at(c->status, "lastState.terminated");
}

/* --- images --- */

/* Names in quotes are no words of the registry. */
static char *why_unquoted(const char *s)
{
    struct text t = TEXT_EMPTY;
    bool quoted = false;

    for (; *s != '\0'; s++) {
        quoted = quoted != (*s == '"');
        if (!quoted)
            text_putc(&t, *s);
    }
    return text_take(&t);
}

static bool why_pull(struct why_case *c, const char *const *parts)
{
    const char *message = why_waiting_message(c), *answer;
    cleanup(freep) char *words = NULL;
    bool found = parts == NULL;

    if (!str_eq(why_waiting(c), "ErrImagePull") && !str_eq(why_waiting(c), "ImagePullBackOff"))
        return false;
    if (strstr(message, "ErrImagePull: ") == NULL && str_eq(why_waiting(c), "ImagePullBackOff")) {
        const json_t *event = why_event(c, c->o, "Failed", "Failed to pull image");

        message = json_str_or(event, "message", message);
    }
    words = why_unquoted(message);
    for (size_t i = 0; parts != NULL && parts[i] != NULL; i++)
        found = found || strcasestr(words, parts[i]) != NULL;
    answer = strstr(message, "ErrImagePull: ");
    why_put(c, "answer", "%s", answer != NULL ? answer + strlen("ErrImagePull: ") : message);
    why_put(c, "image", "%s", json_str_or(c->container, "image", ""));
    why_put_place(c, c->o);
    return found;
}

static bool why_pull_absent(struct why_case *c)
{
    static const char *const parts[] = { "not found", "manifest unknown", "does not exist", NULL };

    return why_pull(c, parts);
}

static bool why_pull_denied(struct why_case *c)
{
    static const char *const parts[] = { "unauthorized", "denied", "forbidden", "authentication",
                                         "401",          "403",    NULL };

    return why_pull(c, parts);
}

static bool why_pull_tls(struct why_case *c)
{
    static const char *const parts[] = { "x509", "certificate", "HTTPS client", "TLS", NULL };

    return why_pull(c, parts);
}

static bool why_pull_away(struct why_case *c)
{
    static const char *const parts[] = { "no such host", "resolve host", "timed out", "timeout",
                                         "refused",      "unreachable",  "connect",   NULL };

    return why_pull(c, parts);
}

static bool why_pull_full(struct why_case *c)
{
    static const char *const parts[] = { "no space left", NULL };

    return why_pull(c, parts);
}

static bool why_pull_other(struct why_case *c)
{
    return why_pull(c, NULL);
}

static bool why_image_name(struct why_case *c)
{
    why_put(c, "image", "%s", json_str_or(c->container, "image", ""));
    why_put_place(c, c->o);
    return str_eq(why_waiting(c), "InvalidImageName");
}

static bool why_image_never(struct why_case *c)
{
    why_put(c, "image", "%s", json_str_or(c->container, "image", ""));
    why_put(c, "node", "%s", json_str_or(c->o, "spec.nodeName", ""));
    why_put_place(c, c->o);
    return str_eq(why_waiting(c), "ErrImageNeverPull");
}

/* --- configuration --- */

static bool why_config(struct why_case *c, const char *part)
{
    const char *message = why_waiting_message(c);

    if (!str_eq(why_waiting(c), "CreateContainerConfigError") || strstr(message, part) == NULL)
        return false;
    why_put(c, "message", "%s", message);
    why_put_place(c, c->o);
    return true;
}

static bool why_config_map(struct why_case *c)
{
    return why_config(c, "configmap \"") &&
           why_put_quoted(c, "wanted", why_waiting_message(c), "configmap");
}

static bool why_config_secret(struct why_case *c)
{
    return why_config(c, "secret \"") &&
           why_put_quoted(c, "wanted", why_waiting_message(c), "secret");
}

/* "couldn't find key k in ConfigMap ns/name" */
static bool why_config_key(struct why_case *c)
{
    static const char part[] = "couldn't find key ";
    const char *at, *in, *slash;

    if (!why_config(c, part))
        return false;
    at = strstr(why_waiting_message(c), part) + strlen(part);
    in = strstr(at, " in ");
    slash = in != NULL ? strchr(in, '/') : NULL;
    if (slash == NULL)
        return false;
    why_put(c, "key", "%.*s", (int)(in - at), at);
    why_put(c, "what", "%s", str_starts(in + 4, "Secret") ? "Secret" : "ConfigMap");
    why_put(c, "verb", "%s", str_starts(in + 4, "Secret") ? "secret" : "configmap");
    why_put(c, "wanted", "%s", slash + 1);
    return true;
}

static bool why_config_root(struct why_case *c)
{
    return why_config(c, "runAsNonRoot");
}

static bool why_config_other(struct why_case *c)
{
    return why_config(c, "");
}

/* --- ends --- */

static bool why_failing(struct why_case *c)
{
    const json_t *ended = why_ended(c);
    const char *waiting = why_waiting(c);
    bool over = json_at(c->status, "state.terminated") != NULL;
    bool again = str_eq(waiting, "CrashLoopBackOff") || str_eq(waiting, "RunContainerError") ||
                 str_eq(waiting, "CreateContainerError");

    if (ended == NULL || (!over && !again))
        return false;
    why_put(c, "code", "%lld", (long long)json_int(ended, "exitCode", 0));
    why_put(c, "restarts", "%lld", (long long)json_int(c->status, "restartCount", 0));
    why_put(c, "message", "%s", json_str_or(ended, "message", ""));
    why_put_place(c, c->o);
    return true;
}

static bool why_oom(struct why_case *c)
{
    const char *limit = json_str_or(c->container, "resources.limits.memory", "");
    char more[QUANTITY_TEXT_MAX] = "more";
    struct quantity q;

    if (!why_failing(c) || !str_eq(json_str(why_ended(c), "reason"), "OOMKilled"))
        return false;
    if (quantity_parse(limit, &q))
        quantity_print(more, quantity_add(q, q));
    why_put(c, "limit", "%s", limit);
    why_put(c, "more", "%s", more);
    return limit[0] != '\0';
}

static bool why_oom_node(struct why_case *c)
{
    why_put(c, "node", "%s", json_str_or(c->o, "spec.nodeName", ""));
    return why_failing(c) && str_eq(json_str(why_ended(c), "reason"), "OOMKilled");
}

static bool why_no_program(struct why_case *c)
{
    const char *message;

    if (!why_failing(c))
        return false;
    message = json_str_or(why_ended(c), "message", "");
    if (strstr(message, "no such file") == NULL &&
        strstr(message, "executable file not found") == NULL)
        return false;
    return why_put_quoted(c, "program", message, "exec");
}

static bool why_not_executable(struct why_case *c)
{
    return why_failing(c) &&
           (json_int(why_ended(c), "exitCode", 0) == 126 ||
            strstr(json_str_or(why_ended(c), "message", ""), "permission denied") != NULL);
}

static bool why_start_error(struct why_case *c)
{
    const char *reason = json_str_or(why_ended(c), "reason", "");
    const char *waiting = why_waiting(c);

    why_put_place(c, c->o);
    if (why_failing(c) && (str_eq(reason, "StartError") || str_eq(reason, "ContainerCannotRun")))
        return true;
    why_put(c, "message", "%s", why_waiting_message(c));
    return str_eq(waiting, "RunContainerError") || str_eq(waiting, "CreateContainerError");
}

/* Killed because it was not alive: the last answer of the probe. */
static bool why_not_alive(struct why_case *c)
{
    const json_t *kill, *probe;
    cleanup(freep) char *part = mem_fmt("Container %s failed liveness probe",
                                        why_value(c, "container"));
    const char *message;

    if (json_int(c->status, "restartCount", 0) == 0 && !why_failing(c))
        return false;
    kill = why_event(c, c->o, "Killing", part);
    probe = why_event(c, c->o, "Unhealthy", "Liveness probe");
    if (kill == NULL || (json_bool(c->status, "ready", false) && !why_failing(c)))
        return false;
    message = json_str_or(probe, "message", "Liveness probe failed: ");
    message = strstr(message, ": ") != NULL ? strstr(message, ": ") + 2 : message;
    why_put(c, "answer", "%s", message[0] != '\0' ? message : "no words, a failing exit status");
    why_put(c, "restarts", "%lld", (long long)json_int(c->status, "restartCount", 0));
    why_put_place(c, c->o);
    return true;
}

static bool why_not_started(struct why_case *c)
{
    const json_t *probe = why_event(c, c->o, "Unhealthy", "Startup probe");
    const char *message = json_str_or(probe, "message", "");

    if (probe == NULL || json_bool(c->status, "started", false))
        return false;
    message = strstr(message, ": ") != NULL ? strstr(message, ": ") + 2 : message;
    why_put(c, "answer", "%s", message);
    why_put_place(c, c->o);
    return true;
}

static bool why_not_found(struct why_case *c)
{
    return why_failing(c) && json_int(why_ended(c), "exitCode", 0) == 127;
}

static bool why_segfault(struct why_case *c)
{
    return why_failing(c) && json_int(why_ended(c), "exitCode", 0) == 139;
}

/* A program that is meant to stay and ends well. */
static bool why_completes(struct why_case *c)
{
    return why_failing(c) && !c->init && json_int(why_ended(c), "exitCode", -1) == 0 &&
           str_eq(why_waiting(c), "CrashLoopBackOff");
}

static bool why_killed(struct why_case *c)
{
    return why_failing(c) && json_int(why_ended(c), "exitCode", 0) == 137;
}

static bool why_crashes(struct why_case *c)
{
    return why_failing(c) && json_int(why_ended(c), "exitCode", 0) != 0;
}

/* --- running, or on the way --- */

static bool why_not_ready(struct why_case *c)
{
    const json_t *probe = why_event(c, c->o, "Unhealthy", "Readiness probe");
    const char *message = json_str_or(probe, "message", "");

    if (c->init || json_at(c->status, "state.running") == NULL ||
        json_bool(c->status, "ready", true) || json_at(c->container, "readinessProbe") == NULL)
        return false;
    message = strstr(message, ": ") != NULL ? strstr(message, ": ") + 2 : message;
    why_put(c, "answer", "%s", message[0] != '\0' ? message : "nothing yet");
    why_put_age(c, "age", json_str(c->status, "state.running.startedAt"));
    why_put_place(c, c->o);
    return true;
}

static bool why_init_runs(struct why_case *c)
{
    if (!c->init || json_at(c->status, "state.running") == NULL ||
        str_eq(json_str(c->container, "restartPolicy"), "Always"))
        return false;
    why_put_age(c, "age", json_str(c->status, "state.running.startedAt"));
    return true;
}

static bool why_creating(struct why_case *c)
{
    const char *waiting = why_waiting(c);
    const json_t *event = why_event(c, c->o, NULL, NULL);

    if (!str_eq(waiting, "ContainerCreating") && !str_eq(waiting, "PodInitializing"))
        return false;
    why_put(c, "message", "%s", json_str_or(event, "message", ""));
    why_put(c, "reason", "%s", json_str_or(event, "reason", ""));
    why_put(c, "node", "%s", json_str_or(c->o, "spec.nodeName", ""));
    why_put_age(c, "age", json_str(c->o, "status.startTime"));
    return !str_eq(waiting, "PodInitializing");
}

const struct why_rule why_container_rules[] = {
    { why_pull_denied, WHY_BROKEN, "the registry does not give image {image} to {which}: {answer}",
      "check the name; for a private registry: mkube create secret docker-registry NAME {in} "
      "--docker-server=... and in {manifest}: {at}.imagePullSecrets: [{name: NAME}]",
      WHY_NO_LOG, NULL },
    { why_pull_tls, WHY_BROKEN, "the registry of image {image} ({which}) is not trusted: {answer}",
      "give the registry a certificate that the nodes trust, or name it by http where that is "
      "meant",
      WHY_NO_LOG, NULL },
    { why_pull_full, WHY_BROKEN, "the node has no room for image {image} ({which}): {answer}",
      "make room on the node's disk, or delete what is not used", WHY_NO_LOG, NULL },
    { why_pull_absent, WHY_BROKEN, "there is no image {image} for {which}: {answer}",
      "correct {at}.{containers}[{container}].image in {manifest}, or push the image", WHY_NO_LOG,
      NULL },
    { why_pull_away, WHY_BROKEN,
      "the registry of image {image} ({which}) cannot be reached: {answer}",
      "check the registry's name and the network; or bring the image: mkube image load DIR",
      WHY_NO_LOG, NULL },
    { why_pull_other, WHY_BROKEN, "image {image} of {which} cannot be pulled: {answer}",
      "check {at}.{containers}[{container}].image in {manifest}", WHY_NO_LOG, NULL },
    { why_image_name, WHY_BROKEN, "\"{image}\" is no name of an image ({which})",
      "correct {at}.{containers}[{container}].image in {manifest}: small letters, NAME:TAG",
      WHY_NO_LOG, NULL },
    { why_image_never, WHY_BROKEN,
      "image {image} is not on node {node}, and imagePullPolicy is Never ({which})",
      "on {node}: mkube image load DIR; or in {manifest}: "
      "{at}.{containers}[{container}].imagePullPolicy: IfNotPresent",
      WHY_NO_LOG, NULL },
    { why_config_map, WHY_BROKEN, "{which} needs ConfigMap {wanted}, which is not there",
      "mkube create configmap {wanted} {in} --from-literal=KEY=VALUE; or mark the reference "
      "optional: true",
      WHY_NO_LOG, NULL },
    { why_config_secret, WHY_BROKEN, "{which} needs Secret {wanted}, which is not there",
      "mkube create secret generic {wanted} {in} --from-literal=KEY=VALUE; or mark the reference "
      "optional: true",
      WHY_NO_LOG, NULL },
    { why_config_key, WHY_BROKEN, "{which} needs key {key} of {what} {wanted}, which has none",
      "add {key} to {verb}/{wanted}, or correct the key in {manifest}", WHY_NO_LOG, NULL },
    { why_config_root, WHY_BROKEN,
      "{which} must not run as root (runAsNonRoot), and its image would: {message}",
      "in {manifest}: {at}.securityContext.runAsUser: 1000 (a user that the image knows)",
      WHY_NO_LOG, NULL },
    { why_config_other, WHY_BROKEN, "{which} cannot be made: {message}",
      "correct {at} in {manifest}", WHY_NO_LOG, NULL },
    { why_oom, WHY_BROKEN,
      "{which} was killed: it used more than its memory limit of {limit} (OOMKilled, {restarts} "
      "restarts)",
      "in {manifest}: {at}.{containers}[{container}].resources.limits.memory: {more}",
      WHY_LOG_PREVIOUS, NULL },
    { why_oom_node, WHY_BROKEN,
      "{which} was killed: node {node} ran out of memory (OOMKilled, {restarts} restarts)",
      "set {at}.{containers}[{container}].resources.requests.memory in {manifest} to what it needs",
      WHY_LOG_PREVIOUS, NULL },
    { why_no_program, WHY_BROKEN, "{which} cannot start: its image has no {program}",
      "correct {at}.{containers}[{container}].command in {manifest}", WHY_NO_LOG, NULL },
    { why_not_executable, WHY_BROKEN,
      "{which} cannot start: its program must not be executed (exit code {code}) {message}",
      "make the file executable in the image, or correct command in {manifest}", WHY_NO_LOG, NULL },
    { why_not_found, WHY_BROKEN, "{which} ends: a command was not found (exit code 127)",
      "correct {at}.{containers}[{container}].command in {manifest}, or the image's script",
      WHY_LOG_PREVIOUS, NULL },
    { why_start_error, WHY_BROKEN, "{which} cannot start: {message}",
      "correct {at}.{containers}[{container}] in {manifest}", WHY_NO_LOG, NULL },
    { why_not_alive, WHY_BROKEN,
      "{which} was killed by its liveness probe ({restarts} restarts); the last answer: {answer}",
      "if it is only slow to start: {at}.{containers}[{container}].startupProbe in {manifest}; "
      "else "
      "correct the probe",
      WHY_LOG_PREVIOUS, NULL },
    { why_not_started, WHY_WAITING, "{which} has not started by its startup probe: {answer}",
      "wait; or raise failureThreshold of {at}.{containers}[{container}].startupProbe in "
      "{manifest}",
      WHY_LOG, NULL },
    { why_segfault, WHY_BROKEN, "{which} crashes with a segmentation fault (exit code 139)",
      "a fault in the program, or an image of another architecture", WHY_LOG_PREVIOUS, NULL },
    { why_completes, WHY_BROKEN,
      "{which} ends well (exit code 0) and is started again and again: it is meant to stay",
      "give it a command that goes on, or make {manifest} a Job", WHY_LOG_PREVIOUS, NULL },
    { why_killed, WHY_BROKEN, "{which} was killed (exit code 137, {restarts} restarts)",
      "look at the node: who sends SIGKILL? memory, or a stop that took too long", WHY_LOG_PREVIOUS,
      NULL },
    { why_crashes, WHY_BROKEN, "{which} fails with exit code {code} ({restarts} restarts)",
      "read its last lines: mkube logs {name} {in} -c {container} --previous", WHY_LOG_PREVIOUS,
      NULL },
    { why_init_runs, WHY_WAITING, "{which} has been running for {age}, and the others wait for it",
      "mkube logs {name} {in} -c {container}", WHY_LOG, NULL },
    { why_not_ready, WHY_WAITING,
      "{which} has been running for {age} but is not ready; its probe's last answer: {answer}",
      "correct {at}.{containers}[{container}].readinessProbe in {manifest}, or what it asks",
      WHY_LOG, NULL },
    { why_creating, WHY_WAITING,
      "{which} is being made on node {node} since {age}: {reason} {message}", "", WHY_NO_LOG,
      NULL },
    WHY_END,
};
