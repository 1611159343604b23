#include "api/audit.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/prom.h"

#include <assert.h>
#include <string.h>

#define AUDIT_POLICY_MAX (1u << 20)
#define AUDIT_EVENT_MAX  (100u << 10)

struct audit {
    struct audit_policy *policy; /* owned */
    struct audit_log *log;       /* owned */
    uint64_t events, by_level[AUDIT_REQUEST_RESPONSE + 1];
};

struct audit_event {
    json_t *tree; /* owned */
    struct audit_verdict verdict;
};

/* --- life --- */

static int audit_read_policy(struct audit *a, const char *path, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int rc;

    if (path == NULL) {
        a->policy = audit_policy_default();
        return 0;
    }
    rc = file_read(&t, path, AUDIT_POLICY_MAX, err);
    if (rc == 0)
        rc = audit_policy_new(&a->policy, text_str(&t), t.len, err);
    return rc < 0 ? err_wrap(err, rc, "audit policy %s", path) : 0;
}

int audit_new(struct audit **ret, uv_loop_t *loop, const struct audit_opts *opts, struct err *err)
{
    struct audit *a = MEM_NEW(struct audit);
    int rc = audit_read_policy(a, opts->policy_path, err);

    if (rc == 0)
        rc = audit_log_new(&a->log, loop, &opts->log, err);
    if (rc < 0) {
        audit_close(a);
        return rc;
    }
    *ret = a;
    return 0;
}

struct audit *audit_close(struct audit *a)
{
    if (a == NULL)
        return NULL;
    audit_policy_free(a->policy);
    audit_log_close(a->log);
    free(a);
    return NULL;
}

void audit_print_metrics(const struct audit *a, struct text *ret)
{
    struct audit_log_stats stats = audit_log_stats(a->log);

    prom_family(ret, "apiserver_audit_event_total", "counter",
                "Counter of audit events generated and sent to the audit backend.");
    prom_value(ret, "apiserver_audit_event_total", NULL, (double)a->events);
    prom_family(ret, "apiserver_audit_error_total", "counter",
                "Counter of audit events that failed to be audited properly. Plugin identifies the "
                "plugin affected by the error.");
    prom_value(ret, "apiserver_audit_error_total", "plugin=\"log\"", (double)stats.dropped);
    prom_family(ret, "apiserver_audit_level_total", "counter",
                "Counter of policy levels for audit events (1 per request).");
    for (size_t i = 0; i < N_ELEMENTS(a->by_level); i++) {
        cleanup(text_fini) struct text labels = TEXT_EMPTY;

        prom_labels(&labels, "level", audit_level_name((enum audit_level)i));
        prom_value(ret, "apiserver_audit_level_total", text_str(&labels), (double)a->by_level[i]);
    }
}

/* --- what is known at the begin --- */

static void audit_put(json_t *tree, const char *key, const char *value)
{
    if (!str_empty(value))
        json_object_set_new(tree, key, json_string(value));
}

static void audit_put_time(json_t *tree, const char *key, int64_t wall_us)
{
    char text[CLOCK_TEXT_MAX];

    clock_print_micro(text, wall_us);
    json_object_set_new(tree, key, json_string(text));
}

static json_t *audit_user(const struct audit_who *who)
{
    json_t *user = json_object();
    json_t *groups = json_array();

    if (who != NULL) {
        audit_put(user, "username", who->name);
        audit_put(user, "uid", who->uid);
    }
    for (const char *const *g = who != NULL ? who->groups : NULL; g != NULL && *g != NULL; g++)
        json_array_append_new(groups, json_string(*g));
    if (json_array_size(groups) > 0)
        json_object_set(user, "groups", groups);
    json_decref(groups);
    if (who != NULL && json_object_size(who->extra) > 0)
        json_object_set_new(user, "extra", json_deep_copy(who->extra));
    return user;
}

static json_t *audit_reference(const struct audit_request *r)
{
    json_t *ref = json_object();

    audit_put(ref, "resource", r->question.resource);
    audit_put(ref, "namespace", r->question.ns);
    audit_put(ref, "name", r->question.name);
    audit_put(ref, "apiGroup", r->question.group);
    audit_put(ref, "apiVersion", r->api_version);
    audit_put(ref, "subresource", r->question.sub);
    return ref;
}

static json_t *audit_tree(const struct audit_request *r, enum audit_level level, int64_t wall_us)
{
    json_t *tree = json_object();

    audit_put(tree, "kind", "Event");
    audit_put(tree, "apiVersion", "audit.k8s.io/v1");
    audit_put(tree, "level", audit_level_name(level));
    audit_put(tree, "auditID", r->id);
    audit_put(tree, "stage", "RequestReceived"); /* keeps its place; each stage sets it */
    audit_put(tree, "requestURI", r->uri);
    audit_put(tree, "verb", r->question.verb);
    json_object_set_new(tree, "user", audit_user(r->who));
    if (!str_empty(r->source_ip))
        json_object_set_new(tree, "sourceIPs", json_pack("[s]", r->source_ip));
    audit_put(tree, "userAgent", r->user_agent);
    if (r->question.is_resource)
        json_object_set_new(tree, "objectRef", audit_reference(r));
    audit_put_time(tree, "requestReceivedTimestamp", wall_us);
    return tree;
}

struct audit_verdict audit_ask(struct audit *a, const struct audit_request *r)
{
    struct audit_question q = r->question;
    struct audit_verdict verdict;

    q.user = r->who != NULL ? r->who->name : NULL;
    q.groups = r->who != NULL ? r->who->groups : NULL;
    verdict = audit_policy_ask(a->policy, &q);
    a->by_level[verdict.level]++;
    return verdict;
}

struct audit_event *audit_begin(struct audit *a, const struct audit_request *r,
                                struct audit_verdict verdict, int64_t wall_us)
{
    struct audit_event *e = MEM_NEW(struct audit_event);

    assert(verdict.level != AUDIT_NONE);
    e->verdict = verdict;
    e->tree = audit_tree(r, verdict.level, wall_us);
    audit_log_stage(a, e, AUDIT_RECEIVED, wall_us);
    return e;
}

enum audit_level audit_event_level(const struct audit_event *e)
{
    return e->verdict.level;
}

/* --- what becomes known --- */

void audit_impersonated(struct audit_event *e, const struct audit_who *as)
{
    json_object_set_new(e->tree, "impersonatedUser", audit_user(as));
}

void audit_decided(struct audit_event *e, bool allowed)
{
    json_t *annotations = json_object();

    json_object_set_new(annotations, "authorization.k8s.io/decision",
                        json_string(allowed ? "allow" : "forbid"));
    json_object_set_new(annotations, "authorization.k8s.io/reason", json_string(""));
    json_object_set_new(e->tree, "annotations", annotations);
}

void audit_names(struct audit_event *e, const json_t *object)
{
    static const char *const fields[] = { "namespace", "name", "uid", "resourceVersion" };
    const json_t *meta = json_at(object, "metadata");
    json_t *ref = json_object_get(e->tree, "objectRef");

    for (size_t i = 0; ref != NULL && i < N_ELEMENTS(fields); i++)
        if (json_object_get(ref, fields[i]) == NULL)
            audit_put(ref, fields[i], json_str(meta, fields[i]));
}

/* Of an object, and of those in a list. */
static void audit_omit_managed(json_t *object)
{
    json_t *item;
    size_t i;

    json_object_del(json_at(object, "metadata"), "managedFields");
    json_array_foreach (json_object_get(object, "items"), i, item)
        json_object_del(json_at(item, "metadata"), "managedFields");
}

static void audit_put_object(struct audit_event *e, const char *key, json_t *object_steal)
{
    if (e->verdict.omit_managed_fields)
        audit_omit_managed(object_steal);
    json_object_set_new(e->tree, key, object_steal);
}

void audit_request_object(struct audit_event *e, json_t *body_steal)
{
    if (e->verdict.level >= AUDIT_REQUEST && body_steal != NULL)
        audit_put_object(e, "requestObject", body_steal);
    else
        json_decref(body_steal);
}

static json_t *audit_status(int code, const json_t *body)
{
    static const char *const fields[] = { "status", "message", "reason", "details" };
    json_t *status = json_pack("{s:{}}", "metadata");

    for (size_t i = 0; code >= 400 && i < N_ELEMENTS(fields); i++)
        if (json_object_get(body, fields[i]) != NULL)
            json_object_set(status, fields[i], json_object_get(body, fields[i]));
    json_object_set_new(status, "code", json_integer(code));
    return status;
}

void audit_answer(struct audit_event *e, int code, json_t *body_steal)
{
    json_object_set_new(e->tree, "responseStatus", audit_status(code, body_steal));
    if (e->verdict.level >= AUDIT_REQUEST_RESPONSE && body_steal != NULL)
        audit_put_object(e, "responseObject", body_steal);
    else
        json_decref(body_steal);
}

/* --- logging --- */

static json_t *audit_annotations(struct audit_event *e)
{
    json_t *annotations = json_object_get(e->tree, "annotations");

    if (annotations == NULL) {
        annotations = json_object();
        json_object_set_new(e->tree, "annotations", annotations);
    }
    return annotations;
}

void audit_annotate(struct audit_event *e, const json_t *map)
{
    if (map != NULL)
        json_object_update(audit_annotations(e), (json_t *)(uintptr_t)map);
}

static void audit_cut(struct audit_event *e)
{
    json_object_set_new(audit_annotations(e), "audit.k8s.io/truncated", json_string("true"));
    json_object_del(e->tree, "requestObject");
    json_object_del(e->tree, "responseObject");
}

void audit_log_stage(struct audit *a, struct audit_event *e, enum audit_stage stage,
                     int64_t wall_us)
{
    cleanup(text_fini) struct text line = TEXT_EMPTY;

    if ((e->verdict.omit & stage) != 0)
        return;
    json_object_set_new(e->tree, "stage", json_string(audit_stage_name(stage)));
    audit_put_time(e->tree, "stageTimestamp", wall_us);
    json_print_to(&line, e->tree);
    if (line.len > AUDIT_EVENT_MAX) {
        audit_cut(e);
        text_clear(&line);
        json_print_to(&line, e->tree);
    }
    a->events++;
    audit_log_add(a->log, line.data, line.len);
}

struct audit_event *audit_event_free(struct audit_event *e)
{
    if (e != NULL)
        json_decref(e->tree);
    free(e);
    return NULL;
}
