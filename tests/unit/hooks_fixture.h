/* hooks_fixture: a registry whose webhooks are answered by the test.
 *
 *   hooks_up(&f);
 *   HOOK_MUTATING("a", "", "'rules':[...]");
 *   SEND(.verb = REGISTRY_CREATE, .body = ...);      the registry asks
 *   hooks_answer(&f, 0, "'allowed':true");           oldest question first
 */
#ifndef TESTS_UNIT_HOOKS_FIXTURE_H
#define TESTS_UNIT_HOOKS_FIXTURE_H

#include "base/bits.h"
#include "tests/unit/registry_fixture.h"

#define HOOKS_QUESTIONS 16

struct hooks_fixture {
    struct registry_fixture base;
    struct hooks_question {
        json_t *review; /* NULL: answered */
        int64_t timeout_ms;
        char name[64]; /* of the URL's host */
        registry_posted_fn done;
        void *arg;
    } questions[HOOKS_QUESTIONS];
    size_t n;
};

static inline void hooks_fixture_post(void *arg, const struct registry_post *post,
                                      registry_posted_fn done, void *done_arg)
{
    struct hooks_fixture *f = arg;
    struct hooks_question *q = &f->questions[f->n++];
    struct err err = ERR_EMPTY;

    CHECK(f->n <= HOOKS_QUESTIONS);
    *q = (struct hooks_question){ .timeout_ms = post->timeout_ms, .done = done, .arg = done_arg };
    snprintf(q->name, sizeof(q->name), "%s",
             json_str_or(post->client_config, "url", "https://") + strlen("https://"));
    CHECK_INT(json_parse(&q->review, post->body, post->len, NULL, &err), 0);
}

static inline void hooks_up(struct hooks_fixture *f)
{
    const struct registry_outcall out = { .post = hooks_fixture_post, .arg = f };

    registry_fixture_up(&f->base);
    registry_on_outcall(f->base.r, &out);
}

static inline void hooks_down(struct hooks_fixture *f)
{
    for (size_t i = 0; i < f->n; i++)
        CHECK(f->questions[i].review == NULL);
    registry_fixture_down(&f->base);
}

/* Says @body (as it is) to question @i. */
static inline void hooks_say(struct hooks_fixture *f, size_t i, int http, const char *body)
{
    struct hooks_question *q = &f->questions[i];

    CHECK(i < f->n && q->review != NULL);
    json_decref(q->review);
    q->review = NULL;
    q->done(q->arg, 0, http, body, strlen(body), NULL);
    registry_fixture_settle(&f->base);
}

/* An AdmissionReview with @response's members ('-quoted) and the right uid. */
static inline void hooks_answer(struct hooks_fixture *f, size_t i, const char *response)
{
    const char *uid = json_str_or(f->questions[i].review, "request.uid", "");
    cleanup(freep) char *text = mem_fmt(
        "{'kind':'AdmissionReview','apiVersion':'admission.k8s.io/v1','response':"
        "{'uid':'%s',%s}}",
        uid, response);

    for (char *s = text; *s != '\0'; s++)
        *s = *s == '\'' ? '"' : *s;
    hooks_say(f, i, 200, text);
}

/* A JSON patch ('-quoted). */
static inline void hooks_patch(struct hooks_fixture *f, size_t i, const char *ops)
{
    cleanup(json_decrefpp) json_t *tree = quoted(ops);
    cleanup(freep) char *json = json_print(tree, NULL);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(freep) char *response = NULL;

    bits_base64(&t, json, strlen(json));
    response = mem_fmt("'allowed':true,'patchType':'JSONPatch','patch':'%s'", text_str(&t));
    hooks_answer(f, i, response);
}

static inline void hooks_fail(struct hooks_fixture *f, size_t i, int code, const char *text)
{
    struct hooks_question *q = &f->questions[i];
    struct err err = ERR_EMPTY;

    err_set(&err, code, "%s", text);
    json_decref(q->review);
    q->review = NULL;
    q->done(q->arg, code, 0, "", 0, &err);
    registry_fixture_settle(&f->base);
}

static inline int hooks_register(struct hooks_fixture *f, const char *bucket, const char *name,
                                 const char *hooks)
{
    cleanup(freep) char *body = mem_fmt("{'metadata':{'name':'%s'},'webhooks':[%s]}", name, hooks);

    return registry_fixture_ask(
        &f->base,
        (struct ask){ .verb = REGISTRY_CREATE, .bucket = bucket, .ns = "", .body = body });
}

#define HOOK(name, rules, more)                                                             \
    "{'name':'" name ".example.com','admissionReviewVersions':['v1'],'sideEffects':'None'," \
    "'clientConfig':{'url':'https://" name "'},'rules':[" rules "]" more "}"
#define RULE(ops, groups, resources)                                                               \
    "{'operations':[" ops "],'apiGroups':[" groups "],'apiVersions':['*'],'resources':[" resources \
    "]}"
#define RULE_CONFIGMAPS RULE("'*'", "''", "'configmaps'")

#define MUTATING(name, hooks)                                                                  \
    CHECK_INT(hooks_register(&f, "mutatingwebhookconfigurations.admissionregistration.k8s.io", \
                             (name), (hooks)),                                                 \
              201)
#define VALIDATING(name, hooks)                                                                  \
    CHECK_INT(hooks_register(&f, "validatingwebhookconfigurations.admissionregistration.k8s.io", \
                             (name), (hooks)),                                                   \
              201)

/* Sends without an answer yet. */
#define SEND(...)                                                    \
    do {                                                             \
        registry_fixture_send(&f.base, (struct ask){ __VA_ARGS__ }); \
        registry_fixture_settle(&f.base);                            \
    } while (0)
#define ASKED(i, path, want) \
    CHECK_STR(registry_fixture_print(&f.base, f.questions[i].review, "request." path), (want))
#define ANSWERED(code)                  \
    do {                                \
        CHECK_INT(f.base.calls, 1);     \
        CHECK_INT(f.base.http, (code)); \
    } while (0)
#define WAITING         CHECK_INT(f.base.calls, 0)
#define SAID(want)      CHECK_STR(json_str_or(f.base.body, "message", ""), (want))
#define HAS(path, want) CHECK_STR(registry_fixture_print(&f.base, f.base.body, (path)), (want))

#endif
