/* hook_review: AdmissionReviews, written for a webhook and read from its answer
 * (admission.k8s.io/v1, and v1beta1 for those that know nothing newer).
 *
 * What a webhook says is not trusted: its uid must be the question's, its patch a list, its
 * words are cut to sizes.  Pure.  Thread: any.
 */
#ifndef API_HOOK_REVIEW_H
#define API_HOOK_REVIEW_H

#include "api/hooks.h"
#include "api/registry.h"
#include "base/err.h"
#include "base/json.h"

struct hook_question { /* borrowed */
    const struct hook_subject *subject;
    const struct schema_resource *row; /* the version it is asked in */
    const char *uid;
    const json_t *object, *old; /* in that version's words */
    const json_t *options;
    const struct registry_user *user;
    bool dry_run;
};

/* The `request` of a review without the objects; the caller's. */
json_t *hook_request(const struct hook_question *q);
/* The body to send; a new string. */
char *hook_review_write(const struct hook *h, const struct hook_question *q, size_t *ret_len);

struct hook_verdict {
    json_t *status;      /* owned: why not; NULL = allowed */
    json_t *patch;       /* owned: operations of a JSON patch; NULL = none */
    json_t *warnings;    /* owned array of strings; NULL = none */
    json_t *annotations; /* owned map of strings for the audit log, WEBHOOK/KEY; NULL = none */
};
void hook_verdict_fini(struct hook_verdict *v);

/* What an HTTP answer means.  @err tells, in Kubernetes' words, why it means nothing; @ret is then
 * as it was. */
int hook_review_read(struct hook_verdict *ret, const struct hook *h, enum hook_stage stage,
                     const char *uid, int http, const char *body, size_t len, struct err *err);

#endif
