/* layer: api
 * What a webhook may answer to an AdmissionReview: a letter (m, v: the stage; M, V: spoken to in
 * v1beta1), then the body.  It is a verdict or an error that says why, never both, and its patch
 * goes through the same hands as a client's. */
#include "api/hook_review.h"

#include "api/patch.h"
#include "api/status.h"
#include "base/mem.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_verdict(const struct hook_verdict *v)
{
    cleanup(json_decrefpp)
        json_t *doc = json_pack("{s:{s:{}}, s:[]}", "metadata", "labels", "spec");
    cleanup(json_decrefpp) json_t *patched = NULL;
    struct err err = ERR_EMPTY;

    assert(v->status == NULL || v->patch == NULL);
    assert(v->warnings == NULL || json_array_size(v->warnings) > 0);
    if (v->status != NULL) {
        assert(json_str(v->status, "message") != NULL);
        assert(status_code(v->status) >= 400 && status_code(v->status) <= 599);
    }
    if (v->patch != NULL && patch_json(&patched, doc, v->patch, &err) < 0)
        assert(err.text[0] != '\0' && patched == NULL);
}

static void fuzz_answer(const struct hook *h, enum hook_stage stage, int http, const char *body,
                        size_t len)
{
    struct hook_verdict v = { 0 };
    struct err err = ERR_EMPTY;

    if (hook_review_read(&v, h, stage, "u", http, body, len, &err) == 0) {
        assert(http == 200);
        assert(stage == HOOK_MUTATE || v.patch == NULL);
        fuzz_verdict(&v);
    } else {
        assert(err.text[0] != '\0');
        assert(v.status == NULL && v.patch == NULL && v.warnings == NULL);
    }
    hook_verdict_fini(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hook h = { .name = "a.example.com", .review = "v1" };
    enum hook_stage stage;
    const char *body;

    if (size == 0)
        return 0;
    body = (const char *)data + 1;
    stage = data[0] == 'm' || data[0] == 'M' ? HOOK_MUTATE : HOOK_VALIDATE;
    if (data[0] == 'M' || data[0] == 'V')
        h.review = "v1beta1";
    fuzz_answer(&h, stage, 200, body, size - 1);
    fuzz_answer(&h, stage, 404, body, size - 1);
    fuzz_answer(&h, stage, 500, body, size - 1);
    return 0;
}
