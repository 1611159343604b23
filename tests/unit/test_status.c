/* layer: api */
#include "api/status.h"

#include "base/mem.h"
#include "tests/lib/test.h"

static void check_prints(json_t *status_steal, const char *want)
{
    cleanup(freep) char *text = json_print_sorted(status_steal, NULL);

    for (char *s = text; *s != '\0'; s++)
        *s = *s == '"' ? '\'' : *s;
    json_decref(status_steal);
    CHECK_STR(text, want);
}

#define HEAD "{'apiVersion':'v1','code':"

TEST(status, says_no_in_kubernetes_form)
{
    check_prints(status_not_found(schema_bucket("pods"), "x"),
                 HEAD "404,'details':{'kind':'pods','name':'x'},'kind':'Status',"
                      "'message':'pods \\'x\\' not found','metadata':{},'reason':'NotFound',"
                      "'status':'Failure'}");
    check_prints(status_exists(schema_bucket("deployments.apps"), "x"),
                 HEAD "409,'details':{'group':'apps','kind':'deployments','name':'x'},"
                      "'kind':'Status','message':'deployments.apps \\'x\\' already exists',"
                      "'metadata':{},'reason':'AlreadyExists','status':'Failure'}");
    check_prints(status_forbidden(schema_bucket("pods"), "", "no"),
                 HEAD "403,'details':{'kind':'pods'},'kind':'Status',"
                      "'message':'pods is forbidden: no','metadata':{},'reason':'Forbidden',"
                      "'status':'Failure'}");
    check_prints(status_deleted(schema_bucket("pods"), "x", "u"),
                 "{'apiVersion':'v1','details':{'kind':'pods','name':'x','uid':'u'},"
                 "'kind':'Status','metadata':{},'status':'Success'}");
    check_prints(status_success(201), HEAD "201,'kind':'Status','metadata':{},'status':'Success'}");
}

TEST(status, invalid_lists_its_causes)
{
    struct field_errors errors = FIELD_ERRORS_EMPTY;

    field_required(&errors, "spec.a", NULL);
    check_prints(status_invalid(schema_bucket("deployments.apps"), "x", &errors),
                 HEAD "422,'details':{'causes':[{'field':'spec.a','message':'Required value',"
                      "'reason':'FieldValueRequired'}],'group':'apps','kind':'Deployment',"
                      "'name':'x'},'kind':'Status','message':'Deployment.apps \\'x\\' is invalid: "
                      "spec.a: Required value','metadata':{},'reason':'Invalid',"
                      "'status':'Failure'}");
    field_errors_fini(&errors);
}

/* What a client sent may be no UTF-8; a refusal must not get lost over it. */
TEST(status, survives_bytes_that_are_no_text)
{
    json_t *status = status_not_found(schema_bucket("pods"), "a\xff\xc3");
    struct err err = { .code = ERR_IO, .text = "cut in a \xe2\x82" };

    CHECK_INT(status_code(status), 404);
    CHECK_STR(json_str(status, "message"), "pods \"a??\" not found");
    CHECK_STR(json_str(status, "details.name"), "a??");
    json_decref(status);
    status = status_from_err(&err);
    CHECK_INT(status_code(status), 500);
    json_decref(status);
}
