/* layer: api */
#include "api/custom.h"
#include "tests/unit/hooks_fixture.h"

#define BUCKET "things.example.com"

#define VERSION_OF(name, storage, field)                                                          \
    "{'name':'" name "','served':true,'storage':" storage ",'schema':{'openAPIV3Schema':{'type':" \
    "'object','properties':{'" field "':{'type':'string'}}}}}"

static void define(struct hooks_fixture *f, const char *reviews)
{
    cleanup(freep) char *body = mem_fmt(
        "{'metadata':{'name':'" BUCKET "'},'spec':{'group':'example.com','scope':'Namespaced',"
        "'names':{'plural':'things','kind':'Thing'},'versions':[" VERSION_OF(
            "v1", "false",
            "old") "," VERSION_OF("v2", "true",
                                  "new") "],'conversion':{'strategy':'Webhook','webhook':"
                                         "{'conversionReviewVersions':[%s],"
                                         "'clientConfig':{'url':'https://c'}}}}}",
        reviews);

    CHECK_INT(registry_fixture_ask(&f->base,
                                   (struct ask){ .bucket = CUSTOM_BUCKET, .ns = "", .body = body }),
              201);
}

/* Writes in the words of v1, which is not the stored version. */
static void send_v1(struct hooks_fixture *f, enum registry_verb verb, const char *name,
                    const char *body)
{
    static const struct registry_user user = { .name = "ann", .uid = "" };
    cleanup(json_decrefpp) json_t *tree = body != NULL ? quoted(body) : NULL;
    struct registry_request req = { .verb = verb,
                                    .resource = schema_resource("example.com", "v1", "things"),
                                    .sub = "",
                                    .ns = "default",
                                    .name = name,
                                    .body = tree,
                                    .patch = REGISTRY_MERGE_PATCH,
                                    .user = &user,
                                    .grace_seconds = -1 };

    CHECK(req.resource != NULL);
    f->base.calls = 0;
    registry_write(f->base.r, &req, registry_fixture_on_done, &f->base);
    registry_fixture_settle(&f->base);
}

/* Answers question @i with its first object, changed by merging @change into it. */
static void converted(struct hooks_fixture *f, size_t i, const char *change)
{
    json_t *review = f->questions[i].review, *object, *uid;
    cleanup(json_decrefpp) json_t *more = quoted(change);
    cleanup(json_decrefpp) json_t *answer = NULL;
    cleanup(freep) char *text = NULL;

    object = json_deep_copy(json_array_get(json_at(review, "request.objects"), 0));
    uid = json_at(review, "request.uid");
    json_object_update(object, more);
    json_object_set(object, "apiVersion", json_at(review, "request.desiredAPIVersion"));
    answer = json_pack("{s:s, s:s, s:{s:O, s:{s:s}, s:[o]}}", "kind", "ConversionReview",
                       "apiVersion", "apiextensions.k8s.io/v1", "response", "uid", uid, "result",
                       "status", "Success", "convertedObjects", object);
    text = json_print(answer, NULL);
    hooks_say(f, i, 200, text);
}

TEST(convert, a_write_in_another_version_is_stored_in_the_storage_version)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    define(&f, "'v1'");
    send_v1(&f, REGISTRY_CREATE, "", "{'metadata':{'name':'a'},'old':'x'}");
    WAITING;
    CHECK_STR(f.questions[0].name, "c");
    ASKED(0, "desiredAPIVersion", "'example.com/v2'");
    ASKED(0, "objects.0.old", "'x'");
    converted(&f, 0, "{'new':'x'}");
    ANSWERED(201);
    CHECK(registry_fixture_get(&f.base, BUCKET, "default", "a"));
    HAS("apiVersion", "'example.com/v2'");
    HAS("new", "'x'");
    /* A patch in v1 is applied to what v1 shows. */
    send_v1(&f, REGISTRY_PATCH, "a", "{'old':'y'}");
    ASKED(1, "desiredAPIVersion", "'example.com/v1'");
    converted(&f, 1, "{'old':'x'}");
    WAITING;
    ASKED(2, "desiredAPIVersion", "'example.com/v2'");
    ASKED(2, "objects.0.old", "'y'");
    converted(&f, 2, "{'new':'y'}");
    ANSWERED(200);
    CHECK(registry_fixture_get(&f.base, BUCKET, "default", "a"));
    HAS("new", "'y'");
    hooks_down(&f);
}

TEST(convert, the_storage_version_needs_nobody)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    define(&f, "'v1'");
    SEND(.bucket = BUCKET, .body = "{'metadata':{'name':'a'},'new':'x'}");
    ANSWERED(201);
    CHECK_INT(f.n, 0);
    hooks_down(&f);
}

static void check_failed(struct hooks_fixture *f, const char *want)
{
    cleanup(freep) char *text = mem_fmt("conversion webhook for example.com/v1, Kind=Thing %s",
                                        want);

    CHECK_INT(f->base.calls, 1);
    CHECK_INT(f->base.http, 500);
    CHECK_STR(json_str_or(f->base.body, "message", ""), text);
    CHECK(!registry_fixture_get(&f->base, BUCKET, "default", "a"));
}

static void say(struct hooks_fixture *f, size_t i, const char *response)
{
    cleanup(freep) char *text = mem_fmt(
        "{'kind':'ConversionReview','apiVersion':'apiextensions.k8s.io/v1','response':"
        "{'uid':'%s',%s}}",
        json_str_or(f->questions[i].review, "request.uid", ""), response);

    for (char *s = text; *s != '\0'; s++)
        *s = *s == '\'' ? '"' : *s;
    hooks_say(f, i, 200, text);
}

TEST(convert, nonsense_is_refused_in_kubernetes_words)
{
    static const struct {
        const char *response, *want;
    } rows[] = {
        { "'result':{'status':'Failed','message':'no'}", "failed: no" },
        { "'result':{'status':'Failed'}",
          "failed: response.result.status was 'Failed', not 'Success'" },
        { "'result':{'status':'Success'},'convertedObjects':[]", "returned 0 objects, expected 1" },
        { "'result':{'status':'Success'},'convertedObjects':[{'apiVersion':'example.com/v1',"
          "'kind':'Thing','metadata':{}}]",
          "returned invalid converted object at index 0: invalid groupVersion (expected "
          "example.com/v2, received example.com/v1)" },
        { "'result':{'status':'Success'},'convertedObjects':[{'apiVersion':'example.com/v2',"
          "'kind':'Other','metadata':{}}]",
          "returned invalid converted object at index 0: invalid kind (expected Thing, received "
          "Other)" },
        { "'result':{'status':'Success'},'convertedObjects':[{'apiVersion':'example.com/v2',"
          "'kind':'Thing','metadata':{'name':'b'}}]",
          "returned invalid metadata in converted object at index 0: must have the same name: b != "
          "a" },
        { "'result':{'status':'Success'},'convertedObjects':[{'apiVersion':'example.com/v2',"
          "'kind':'Thing'}]",
          "returned invalid metadata in converted object at index 0: invalid metadata of type "
          "<nil> in input object" },
    };
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    define(&f, "'v1'");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        send_v1(&f, REGISTRY_CREATE, "", "{'metadata':{'name':'a'},'old':'x'}");
        say(&f, i, rows[i].response);
        check_failed(&f, rows[i].want);
    }
    send_v1(&f, REGISTRY_CREATE, "", "{'metadata':{'name':'a'},'old':'x'}");
    hooks_fail(&f, f.n - 1, ERR_TIMEOUT, "Post \"https://c/\": context deadline exceeded");
    check_failed(&f, "failed: Post \"https://c/\": context deadline exceeded");
    send_v1(&f, REGISTRY_CREATE, "", "{'metadata':{'name':'a'},'old':'x'}");
    hooks_say(&f, f.n - 1, 200, "[");
    CHECK_INT(f.base.http, 500);
    hooks_down(&f);
}

TEST(convert, metadata_is_not_a_webhooks_to_change)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    define(&f, "'v1'");
    send_v1(&f, REGISTRY_CREATE, "", "{'metadata':{'name':'a','finalizers':['a.b/c']},'old':'x'}");
    converted(&f, 0, "{'metadata':{'name':'a','namespace':'default','labels':{'l':'1'}}}");
    CHECK_INT(f.base.http, 500); /* its uid is gone */
    send_v1(&f, REGISTRY_CREATE, "", "{'metadata':{'name':'a'},'old':'x'}");
    converted(&f, 1, "{'new':'1'}");
    ANSWERED(201);
    CHECK_INT(f.n, 2);
    hooks_down(&f);
}

TEST(convert, a_deletion_needs_what_it_shows_no_more)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    define(&f, "'v1'");
    SEND(.bucket = BUCKET, .body = "{'metadata':{'name':'a'},'new':'x'}");
    SEND(.verb = REGISTRY_DELETE, .bucket = BUCKET, .name = "a");
    ANSWERED(200);
    CHECK_INT(f.n, 0);
    hooks_down(&f);
}
