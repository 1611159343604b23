/* layer: api
 * What a LIST or a WATCH may ask: the query behind the '?', and the same bytes as what a token
 * carries before base64url.  It is options or a Status that says why not, and a token made of what
 * was read goes on where it says. */
#include "api/list_options.h"

#include "api/status.h"
#include "base/bits.h"
#include "base/http_args.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define FUZZ_NOW     1767323045000
#define FUZZ_CURRENT 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_refused(json_t *no)
{
    assert(json_str(no, "message") != NULL);
    assert(status_code(no) >= 400 && status_code(no) <= 504);
    json_decref(no);
}

static void fuzz_token(const struct list_options *o)
{
    cleanup(text_fini) struct text token = TEXT_EMPTY;
    struct list_query q = { 0 };
    struct list_options again;
    json_t *no;

    if (o->revision == 0)
        return;
    list_options_token(&token, o, "ns", "name", 7);
    q.token = text_str(&token);
    no = list_options_read(&again, &q, FUZZ_CURRENT, FUZZ_NOW);
    assert(no == NULL);
    assert(again.revision == o->revision && again.goes_on && again.left == 7);
    assert(str_eq(again.after_ns, "ns") && str_eq(again.after_name, "name"));
    list_options_fini(&again);
}

static void fuzz_query(const struct list_query *q)
{
    struct list_options o;
    uint64_t after = 0;
    bool initial;
    json_t *no = list_options_read(&o, q, FUZZ_CURRENT, FUZZ_NOW);

    if (no != NULL) {
        fuzz_refused(no);
    } else {
        assert(o.revision <= FUZZ_CURRENT && o.left >= -1);
        assert(!o.goes_on || (o.after_ns != NULL && o.after_name[0] != '\0'));
        fuzz_token(&o);
    }
    list_options_fini(&o);
    no = list_options_watch(q, FUZZ_CURRENT, &after, &initial);
    if (no != NULL)
        fuzz_refused(no);
    else
        assert(after <= FUZZ_CURRENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(freep) char *text = mem_strn((const char *)data, size);
    cleanup(text_fini) struct text token = TEXT_EMPTY;
    struct http_args args;

    bits_base64url(&token, text, strlen(text));
    fuzz_query(&(struct list_query){ .token = text_str(&token) });
    http_args_init(&args, text);
    fuzz_query(&(struct list_query){ .version = http_args_get(&args, "resourceVersion"),
                                     .match = http_args_get(&args, "resourceVersionMatch"),
                                     .token = http_args_get(&args, "continue"),
                                     .limit = http_args_get(&args, "limit"),
                                     .initial = http_args_get(&args, "sendInitialEvents") });
    http_args_fini(&args);
    return 0;
}
