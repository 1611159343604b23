/* mkube certificate: approves or denies certificate requests. */
#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"
#include "client/session.h"
#include "client/target.h"
#include "client/verbs.h"

#include <stdio.h>

#define CERTIFICATE_TRIES 10 /* somebody else may write between */

struct certificate_answer { /* one of the two; words are kubectl's */
    const char *type, *other, *reason, *message, *done;
};

static const struct certificate_answer certificate_approval = {
    "Approved", "Denied", "KubectlApprove", "This CSR was approved by kubectl certificate approve.",
    "approved"
};
static const struct certificate_answer certificate_denial = {
    "Denied", "Approved", "KubectlDeny", "This CSR was denied by kubectl certificate deny.",
    "denied"
};

static void certificate_add(json_t *request, const struct certificate_answer *what)
{
    char now[CLOCK_TEXT_MAX];
    json_t *conditions = json_at(request, "status.conditions");

    if (!json_is_array(conditions)) {
        json_put(request, "status.conditions", json_array());
        conditions = json_at(request, "status.conditions");
    }
    clock_print(now, clock_wall_ms());
    json_array_append_new(conditions, json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", what->type,
                                                "status", "True", "reason", what->reason, "message",
                                                what->message, "lastUpdateTime", now));
}

/* Reads it and writes it back with the answer.  409: it changed meanwhile. */
static int certificate_try(struct session *s, const char *path, const char *name,
                           const struct certificate_answer *what, struct session_answer *answer,
                           struct err *err)
{
    cleanup(freep) char *approval = mem_fmt("%s/approval", path);
    cleanup(json_decrefpp) json_t *request = NULL;
    int rc = session_call(s, "GET", path, NULL, NULL, answer, err);

    if (rc < 0)
        return rc;
    request = json_incref(answer->body);
    if (condition_get(json_at(request, "status"), what->other) != NULL) {
        session_answer_fini(answer);
        return err_set(err, ERR_INVALID, "certificate signing request \"%s\" is already %s", name,
                       what->other);
    }
    if (condition_get(json_at(request, "status"), what->type) != NULL)
        return 0;
    certificate_add(request, what);
    return session_call(s, "PUT", approval, SESSION_JSON, request, answer, err);
}

static int certificate_one(struct session *s, const char *name,
                           const struct certificate_answer *what)
{
    const struct schema_resource *r = schema_resource("certificates.k8s.io", "v1",
                                                      "certificatesigningrequests");
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc = 0;

    target_path(&path, r, NULL, name);
    for (int i = 0; i < CERTIFICATE_TRIES; i++) {
        rc = certificate_try(s, text_str(&path), name, what, &answer, &err);
        if (rc == 0 || answer.status != 409)
            break;
    }
    if (rc < 0) /* ERR_INVALID without an answer is our own word */
        return answer.status == 0 && rc == ERR_INVALID ? verb_error(&err)
                                                       : session_complain(&answer, &err, NULL);
    printf("certificatesigningrequest.certificates.k8s.io/%s %s\n", name, what->done);
    fflush(stdout);
    return VERB_DONE;
}

static int certificate_run(const struct verb *self, int argc, char **argv,
                           const struct certificate_answer *what)
{
    cleanup(session_freep) struct session *session = NULL;
    struct session_opts opts = { .ns = NULL };
    const struct opt table[] = {
        SESSION_FLAGS(&opts),
        { .name = NULL },
    };
    struct err err = ERR_EMPTY;
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n == 0)
        err_set(&err, ERR_INVALID, "one or more CSRs must be specified as <name> or -f <filename>");
    if (n == 0 || session_new(&session, &opts, &err) < 0)
        return verb_error(&err);
    exit_code = VERB_DONE;
    for (int i = 0; i < n; i++)
        if (certificate_one(session, argv[i], what) != VERB_DONE)
            exit_code = VERB_FAILED;
    return exit_code;
}

static int certificate_approve(const struct verb *self, int argc, char **argv)
{
    return certificate_run(self, argc, argv, &certificate_approval);
}

static int certificate_deny(const struct verb *self, int argc, char **argv)
{
    return certificate_run(self, argc, argv, &certificate_denial);
}

static const struct verb certificate_verbs[] = {
    { "approve", "sign it", "mkube certificate approve NAME...", certificate_approve },
    { "deny", "never sign it", "mkube certificate deny NAME...", certificate_deny },
};

int certificate_main(const struct verb *self, int argc, char **argv)
{
    return verb_choose(self, certificate_verbs, N_ELEMENTS(certificate_verbs), argc, argv);
}
