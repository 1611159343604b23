/* audit: who asked what, and what came of it: audit.k8s.io/v1 Events, a line of JSON each.
 *
 * One event follows one request through its stages.  It copies what it is told: nothing of the
 * request needs to be there later.  Events above 100 KiB go without objects and say so.
 * Owner: cmd/server, lent to the server.  Thread: loop.
 */
#ifndef API_AUDIT_H
#define API_AUDIT_H

#include "api/audit_log.h"
#include "api/audit_policy.h"
#include "base/text.h"

struct audit;
struct audit_opts {
    const char *policy_path; /* NULL: audit_policy_default */
    struct audit_log_opts log;
};
int audit_new(struct audit **ret, uv_loop_t *loop, const struct audit_opts *opts, struct err *err);
struct audit *audit_close(struct audit *a); /* with no event left; NULL is fine; returns NULL */
/* Families apiserver_audit_*. */
void audit_print_metrics(const struct audit *a, struct text *ret);

struct audit_who { /* borrowed */
    const char *name, *uid;
    const char *const *groups;
    const json_t *extra; /* name to list of strings; NULL: none */
};
struct audit_request { /* borrowed; of what is absent NULL */
    const char *id, *uri, *source_ip, *user_agent, *api_version;
    const struct audit_who *who;    /* NULL: nobody was recognised */
    struct audit_question question; /* user and groups are @who's */
};

/* What the policy says, before anything is spent on the event. */
struct audit_verdict audit_ask(struct audit *a, const struct audit_request *r);

struct audit_event;
/* Of a level above None.  Logs the stage RequestReceived, unless omitted. */
struct audit_event *audit_begin(struct audit *a, const struct audit_request *r,
                                struct audit_verdict verdict, int64_t wall_us);
enum audit_level audit_event_level(const struct audit_event *e);
void audit_impersonated(struct audit_event *e, const struct audit_who *as);
void audit_decided(struct audit_event *e, bool allowed);
/* What admission policies want to be known: a map of texts; NULL is fine. */
void audit_annotate(struct audit_event *e, const json_t *map);
/* What the object under way is called, where the path did not say. */
void audit_names(struct audit_event *e, const json_t *object);
/* @body_steal: from level Request on. */
void audit_request_object(struct audit_event *e, json_t *body_steal);
/* An answer with @code; @body_steal (may be NULL): a Status for refusals, else the object, from level
 * RequestResponse on. */
void audit_answer(struct audit_event *e, int code, json_t *body_steal);
void audit_log_stage(struct audit *a, struct audit_event *e, enum audit_stage stage,
                     int64_t wall_us);
struct audit_event *audit_event_free(struct audit_event *e); /* NULL is fine; returns NULL */

#endif
