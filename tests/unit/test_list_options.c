/* layer: api */
#include "api/list_options.h"

#include "api/status.h"
#include "base/bits.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#define NOW 1767323045000

/* "200", or "code message" */
static const char *said(json_t *no)
{
    static char text[1024];

    snprintf(text, sizeof(text), "%d %s", no != NULL ? status_code(no) : 200,
             no != NULL ? json_str_or(no, "message", "") : "");
    json_decref(no);
    return text;
}

static const char *listed(struct list_options *o, struct list_query q)
{
    return said(list_options_read(o, &q, 100, NOW));
}

#define LISTED(want, ...)                                                \
    do {                                                                 \
        list_options_fini(&o);                                           \
        CHECK_STR(listed(&o, (struct list_query){ __VA_ARGS__ }), want); \
    } while (0)

#define INVALID   "422 ListOptions.meta.k8s.io \"\" is invalid: "
#define FORBIDDEN INVALID "resourceVersionMatch: Forbidden: "

TEST(list_options, versions_say_what_is_shown)
{
    struct list_options o = { 0 };

    LISTED("200 ");
    CHECK_INT(o.revision, 100);
    LISTED("200 ", .version = "0");
    CHECK_INT(o.revision, 100);
    LISTED("200 ", .version = "7");
    CHECK_INT(o.revision, 100); /* not older than */
    LISTED("200 ", .version = "7", .match = "NotOlderThan", .limit = "5");
    CHECK_INT(o.revision, 100);
    LISTED("200 ", .version = "7", .limit = "5");
    CHECK_INT(o.revision, 7); /* with a limit: exactly */
    LISTED("200 ", .version = "0", .limit = "5");
    CHECK_INT(o.revision, 100);
    LISTED("200 ", .version = "7", .match = "Exact");
    CHECK_INT(o.revision, 7);
    LISTED("504 Too large resource version: 101, current: 100", .version = "101");
    LISTED("400 Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax",
           .version = "x");
    LISTED("400 strconv.ParseInt: parsing \"many\": invalid syntax", .limit = "many");
    LISTED("200 ", .limit = "-1");
    CHECK_INT(o.limit, 0);
}

TEST(list_options, what_may_not_stand_together_is_said)
{
    struct list_options o = { 0 };

    LISTED(FORBIDDEN "resourceVersionMatch is forbidden unless resourceVersion is provided",
           .match = "Exact");
    LISTED(FORBIDDEN "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
           .match = "Exact", .version = "0");
    LISTED(INVALID "resourceVersionMatch: Unsupported value: \"Sideways\": supported values: "
                   "\"Exact\", \"NotOlderThan\", \"\"",
           .match = "Sideways", .version = "1");
    LISTED(INVALID "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
           .initial = "true");
    LISTED("400 specifying resource version is not allowed when using continue", .token = "abc",
           .version = "7");
    LISTED(FORBIDDEN "resourceVersionMatch is forbidden when continue is provided", .token = "abc",
           .version = "7", .match = "Exact");
}

TEST(list_options, tokens_say_where_to_go_on)
{
    struct list_options o = { 0 };
    cleanup(text_fini) struct text token = TEXT_EMPTY;

    LISTED("200 ", .limit = "5");
    list_options_token(&token, &o, "ns", "name", 12);
    LISTED("200 ", .token = text_str(&token), .limit = "5", .version = "0");
    CHECK_INT(o.revision, 100);
    CHECK_INT(o.left, 12);
    CHECK_STR(o.after_ns, "ns");
    CHECK_STR(o.after_name, "name");
    text_clear(&token);
    list_options_token(&token, &o, "", "cluster", -1);
    LISTED("200 ", .token = text_str(&token));
    CHECK_STR(o.after_ns, "");
    CHECK_STR(o.after_name, "cluster");
    list_options_fini(&o);
}

TEST(list_options, what_is_no_token_is_refused)
{
    struct list_options o = { 0 };
    static const char *const plain[] = {
        "",
        "1",
        "1 2 3 ns",
        "1 2 3 ns ",
        "1 2 3 ns name more",
        "x 2 3 a b",
        "1 x 3 a b",
        "1 2 x a b",
        "0 2 3 a b",
        "1 -2 3 a b",
        "1 2 -2 a b",
        "99999999999999999999 2 3 a b",
    };

    LISTED("400 invalid continue token: continue key is not valid: illegal base64 data",
           .token = "!!");
    for (size_t i = 1; i < N_ELEMENTS(plain); i++) {
        cleanup(text_fini) struct text token = TEXT_EMPTY;

        bits_base64url(&token, plain[i], strlen(plain[i]));
        LISTED("400 invalid continue token: continue key is not valid", .token = text_str(&token));
    }
    list_options_fini(&o);
}

TEST(list_options, an_old_token_gives_one_that_goes_on_at_the_newest_state)
{
    struct list_options o = { 0 };
    cleanup(text_fini) struct text token = TEXT_EMPTY;
    struct list_query q = { 0 };
    cleanup(freep) char *next = NULL;
    json_t *no;

    LISTED("200 ", .version = "7", .match = "Exact");
    list_options_token(&token, &o, "ns", "name", 12);
    q.token = text_str(&token);
    no = list_options_read(&o, &q, 100, NOW + 5 * 60000);
    CHECK(no == NULL);
    list_options_fini(&o);
    no = list_options_read(&o, &q, 100, NOW + 5 * 60000 + 1);
    CHECK_INT(status_code(no), 410);
    CHECK_STR(json_str(no, "reason"), "Expired");
    next = mem_str(json_str(no, "metadata.continue"));
    json_decref(no);
    list_options_fini(&o);
    q.token = next;
    CHECK(list_options_read(&o, &q, 200, NOW + 10 * 60000) == NULL);
    CHECK_INT(o.revision, 200);
    CHECK_INT(o.left, -1);
    CHECK_STR(o.after_name, "name");
    text_clear(&token);
    list_options_token(&token, &o, "ns", "other", 3); /* from here on consistent again */
    list_options_fini(&o);
    q.token = text_str(&token);
    CHECK(list_options_read(&o, &q, 300, NOW + 11 * 60000) == NULL);
    CHECK_INT(o.revision, 200);
    list_options_fini(&o);
    CHECK_STR(
        said(list_options_read(&o, &q, 150, NOW + 11 * 60000)),
        "410 The provided "
        "continue parameter is too old to display a consistent list result. You can start a "
        "new list without the continue parameter, or use the continue token in this response "
        "to retrieve the remainder of the results. Continuing with the provided token results "
        "in an inconsistent list - objects that were created, modified, or deleted between "
        "the time the first chunk was returned and now may show up in the list.");
    list_options_fini(&o);
}

static const char *watched(struct list_query q, uint64_t *after, bool *initial)
{
    return said(list_options_watch(&q, 100, after, initial));
}

TEST(list_options, a_watch_begins_where_it_is_told_to)
{
    uint64_t after = 0;
    bool initial = false;

#define WATCHED(want, ...) \
    CHECK_STR(watched((struct list_query){ __VA_ARGS__ }, &after, &initial), want)
#define BEGINS(after_, initial_)      \
    do {                              \
        CHECK_INT(after, after_);     \
        CHECK(initial == (initial_)); \
    } while (0)
    WATCHED("200 ");
    BEGINS(100, true);
    WATCHED("200 ", .version = "0");
    BEGINS(100, true);
    WATCHED("200 ", .version = "7");
    BEGINS(7, false);
    WATCHED("200 ", .version = "7", .initial = "true", .match = "NotOlderThan");
    BEGINS(100, true);
    WATCHED("200 ", .initial = "false", .match = "NotOlderThan");
    BEGINS(100, false);
    WATCHED("200 ", .version = "7", .initial = "false", .match = "NotOlderThan");
    BEGINS(7, false);
    WATCHED("504 Too large resource version: 101, current: 100", .version = "101");
    WATCHED(FORBIDDEN "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            .initial = "true");
    WATCHED(FORBIDDEN "resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
                      "provided",
            .match = "NotOlderThan", .version = "1");
}
