/* layer: api */
#include "tests/unit/hooks_fixture.h"

#define POLICIES "validatingadmissionpolicies.admissionregistration.k8s.io"
#define BINDINGS "validatingadmissionpolicybindings.admissionregistration.k8s.io"
#define MATCH                                                                                  \
    "'matchConstraints':{'resourceRules':[{'operations':['CREATE','UPDATE'],'apiGroups':['']," \
    "'apiVersions':['v1'],'resources':['configmaps']}]}"
#define POLICY(name, more) "{'metadata':{'name':'" name "'},'spec':{" MATCH "," more "}}"
#define BINDING(name, of, more)                                 \
    "{'metadata':{'name':'" name "'},'spec':{'policyName':'" of \
    "','validationActions':['Deny']" more "}}"
#define CONFIG(name, data) "{'metadata':{'name':'" name "'},'data':" data "}"

static void up(struct registry_fixture *f)
{
    registry_fixture_up(f);
}

static void down(struct registry_fixture *f)
{
    registry_fixture_down(f);
}

#define DEFINE(body_) CHECK_INT(CREATE(.bucket = POLICIES, .ns = "", .body = (body_)), 201)
#define BIND(body_)   CHECK_INT(CREATE(.bucket = BINDINGS, .ns = "", .body = (body_)), 201)

TEST(policy, what_is_bound_is_judged)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(POLICY("small", "'validations':[{'expression':'size(object.data) < 2'}]"));
    CHECK_INT(f.warnings == NULL, 1);
    CHECK_INT(CREATE(.body = CONFIG("free", "{'a':'1','b':'2'}")), 201); /* nobody bound it */
    BIND(BINDING("b", "small", ""));
    CHECK_INT(CREATE(.body = CONFIG("a", "{'a':'1'}")), 201);
    CHECK_INT(CREATE(.body = CONFIG("c", "{'a':'1','b':'2'}")), 422);
    CHECK_SAYS(
        "configmaps \"c\" is forbidden: ValidatingAdmissionPolicy 'small' with binding 'b' denied "
        "request: failed expression: size(object.data) < 2");
    CHECK_AT("reason", "'Invalid'");
    CHECK_INT(CREATE(.bucket = "secrets", .body = CONFIG("c", "{'a':'MQ==','b':'MQ=='}")), 201);
    CHECK_INT(MERGE(.name = "a", .body = "{'data':{'b':'2'}}"), 422);
    CHECK_INT(DELETE(.bucket = BINDINGS, .ns = "", .name = "b"), 200);
    CHECK_INT(CREATE(.body = CONFIG("c", "{'a':'1','b':'2'}")), 201);
    down(&f);
}

TEST(policy, messages_reasons_variables_and_conditions)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(POLICY(
        "p",
        "'variables':[{'name':'n','expression':'size(object.data)'},"
        "{'name':'twice','expression':'variables.n * 2'}],"
        "'matchConditions':[{'name':'not-mine','expression':'object.metadata.name != \\'skip\\''},"
        "{'name':'who','expression':'request.userInfo.username == \\'ann\\''}],"
        "'validations':[{'expression':'variables.twice < 4','messageExpression':"
        "'\\'twice is \\' + string(variables.twice)','reason':'Forbidden'},"
        "{'expression':'!has(object.data.bad)','message':'bad is bad'}]"));
    BIND(BINDING("b", "p", ""));
    CHECK_INT(CREATE(.body = CONFIG("skip", "{'a':'1','b':'2','bad':'1'}")), 201);
    CHECK_INT(CREATE(.body = CONFIG("c", "{'a':'1','b':'2'}")), 403);
    CHECK_SAYS("configmaps \"c\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' "
               "denied request: "
               "twice is 4");
    CHECK_INT(CREATE(.body = CONFIG("c", "{'bad':'2'}")), 422);
    CHECK_SAYS("configmaps \"c\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' "
               "denied request: "
               "bad is bad");
    CHECK_INT(CREATE(.body = CONFIG("c", "{'good':'2'}")), 201);
    down(&f);
}

TEST(policy, bindings_choose_and_act)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(POLICY("p", "'validations':[{'expression':'false','message':'no'}]"));
    CHECK_INT(
        CREATE(.bucket = BINDINGS, .ns = "",
               .body = "{'metadata':{'name':'b'},'spec':{'policyName':'p','validationActions':"
                       "['Warn','Audit'],'matchResources':{'objectSelector':{'matchLabels':"
                       "{'watch':'me'}}}}}"),
        201);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(json_array_size(f.warnings), 0);
    CHECK_INT(CREATE(.body = "{'metadata':{'name':'w','labels':{'watch':'me'}}}"), 201);
    CHECK_STR(json_string_value(json_array_get(f.warnings, 0)),
              "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no");
    down(&f);
}

TEST(policy, an_expression_that_fails_denies_unless_told_otherwise)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(POLICY("p", "'validations':[{'expression':'object.data.x == \\'1\\''}]"));
    BIND(BINDING("b", "p", ""));
    CHECK_INT(CREATE(.body = CONFIG("a", "{'y':'1'}")), 422);
    CHECK_SAYS("configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' "
               "denied request: "
               "expression 'object.data.x == \"1\"' resulted in error: no such key: x");
    CHECK_INT(MERGE(.bucket = POLICIES, .ns = "", .name = "p",
                    .body = "{'spec':{'failurePolicy':'Ignore'}}"),
              200);
    CHECK_INT(CREATE(.body = CONFIG("a", "{'y':'1'}")), 201);
    CHECK_INT(CREATE(.body = CONFIG("b", "{'x':'2'}")), 422);
    down(&f);
}

TEST(policy, parameters_are_looked_up)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(POLICY("p",
                  "'paramKind':{'apiVersion':'v1','kind':'ConfigMap'},'validations':[{'expression':"
                  "'size(object.data) <= int(params.data.most)','messageExpression':'\\'most \\' + "
                  "params.data.most'}],'matchConditions':[{'name':'n','expression':"
                  "'object.metadata.name.startsWith(\\'t\\')'}]"));
    BIND(BINDING(
        "b", "p",
        ",'paramRef':{'name':'limits','namespace':'default','parameterNotFoundAction':'Deny'}"));
    CHECK_INT(CREATE(.body = CONFIG("t", "{}")), 422);
    CHECK_SAYS("configmaps \"t\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' "
               "denied request: "
               "failed to configure binding: no params found for policy binding with `Deny` "
               "parameterNotFoundAction");
    /* the parameters are a ConfigMap as well: they do not exist yet for their own creation */
    CHECK_INT(CREATE(.bucket = BINDINGS, .ns = "", .body = BINDING("x", "gone", "")), 201);
    CHECK_INT(DELETE(.bucket = BINDINGS, .ns = "", .name = "b"), 200);
    CHECK_INT(CREATE(.body = CONFIG("limits", "{'most':'1'}")), 201);
    BIND(BINDING(
        "b", "p",
        ",'paramRef':{'name':'limits','namespace':'default','parameterNotFoundAction':'Deny'}"));
    CHECK_INT(CREATE(.body = CONFIG("t", "{'a':'1','b':'1'}")), 422);
    CHECK_SAYS("configmaps \"t\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' "
               "denied request: "
               "most 1");
    CHECK_INT(CREATE(.body = CONFIG("t", "{'a':'1'}")), 201);
    down(&f);
}

TEST(policy, exclusions_and_names)
{
    struct registry_fixture f = { 0 };

    up(&f);
    DEFINE(
        "{'metadata':{'name':'p'},'spec':{'matchConstraints':{'resourceRules':[{'operations':['*'],"
        "'apiGroups':['*'],'apiVersions':['*'],'resources':['*']}],'excludeResourceRules':[{'"
        "operations':"
        "['*'],'apiGroups':[''],'apiVersions':['v1'],'resources':['configmaps'],'resourceNames':"
        "['good']}]},'matchConditions':[{'name':'k','expression':'request.resource.resource == "
        "\\'configmaps\\''}],'validations':[{'expression':'request.operation == \\'DELETE\\''}]}}");
    BIND(BINDING("b", "p", ""));
    CHECK_INT(CREATE(.body = CONFIG("bad", "{}")), 422);
    CHECK_INT(CREATE(.body = CONFIG("good", "{}")), 201);
    CHECK_INT(DELETE(.name = "good"), 200);
    down(&f);
}

TEST(policy, what_their_authors_are_told)
{
    static const struct {
        const char *body, *field, *message;
    } rows[] = {
        { POLICY("p", "'validations':[{'expression':'object.x +'}]"),
          "spec.validations[0].expression",
          "Invalid value: \"object.x +\": compilation failed: ERROR: <input>:1:11: Syntax error: "
          "mismatched "
          "input '<EOF>' expecting an expression\n | object.x +\n | ..........^" },
        { POLICY("p", "'validations':[{'expression':'request.nope == 1'}]"),
          "spec.validations[0].expression",
          "Invalid value: \"request.nope == 1\": compilation failed: ERROR: <input>:1:8: undefined "
          "field "
          "'nope'\n | request.nope == 1\n | .......^" },
        { POLICY("p", "'validations':[{'expression':'params.a == 1'}]"),
          "spec.validations[0].expression",
          "Invalid value: \"params.a == 1\": compilation failed: ERROR: <input>:1:1: undeclared "
          "reference to "
          "'params' (in container '')\n | params.a == 1\n | ^" },
        { POLICY("p", "'validations':[{'expression':'1'}]"), "spec.validations[0].expression",
          "Invalid value: \"1\": must evaluate to bool" },
        { POLICY("p", "'validations':[{'expression':'true','messageExpression':'1'}]"),
          "spec.validations[0].messageExpression",
          "Invalid value: \"1\": must evaluate to string" },
        { POLICY(
              "p",
              "'variables':[{'name':'a','expression':'variables.b'}],'validations':[{'expression':"
              "'true'}]"),
          "spec.variables[0].expression",
          "Invalid value: \"variables.b\": compilation failed: ERROR: <input>:1:10: undefined "
          "field 'b'\n | "
          "variables.b\n | .........^" },
        { "{'metadata':{'name':'p'},'spec':{'validations':[{'expression':'true'}]}}",
          "spec.matchConstraints", "Required value" },
    };
    struct registry_fixture f = { 0 };

    up(&f);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CHECK_INT(CREATE(.bucket = POLICIES, .ns = "", .body = rows[i].body), 422);
        CHECK_CAUSE(rows[i].field);
        CHECK_STR(json_string_value(tree_at(f.body, "details.causes.0.message")), rows[i].message);
    }
    CHECK_INT(
        CREATE(.bucket = BINDINGS, .ns = "",
               .body =
                   "{'metadata':{'name':'b'},'spec':{'policyName':'p','validationActions':['Deny',"
                   "'Warn']}}"),
        422);
    CHECK_CAUSE("spec.validationActions");
    down(&f);
}
