/* layer: api */
#include "api/decode.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Decodes @body as @type and compares what comes out: the canonical tree, or the error. */
static void check_decode(const char *type, const char *body, const char *want)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(freep) char *text = NULL;
    struct err err = ERR_EMPTY;

    CHECK(json_parse(&tree, body, strlen(body), NULL, &err) == 0);
    if (decode_check(tree, schema_type(type), NULL, &err) < 0) {
        CHECK(err.code == ERR_BAD_REQUEST);
        CHECK_STR(err.text, want);
        return;
    }
    text = json_print(tree, NULL);
    CHECK_STR(text, want);
}

static void check_problems(const char *type, const char *body, const char *want)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(json_decrefpp) json_t *dups = json_array();
    cleanup(json_decrefpp) json_t *problems = json_array();
    cleanup(text_fini) struct text text = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK(json_parse(&tree, body, strlen(body), dups, &err) == 0);
    CHECK(decode_check_dups(tree, schema_type(type), dups, problems, &err) == 0);
    decode_problems_text(&text, problems);
    CHECK_STR(text_str(&text), want);
}

TEST(decode, says_wrong_types_as_go_does)
{
    check_decode("apps/v1.Deployment", "{\"spec\":{\"replicas\":\"three\"}}",
                 "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas "
                 "of type int32");
    check_decode("apps/v1.Deployment", "{\"spec\":{\"replicas\":3000000000}}",
                 "json: cannot unmarshal number 3000000000 into Go struct field "
                 "DeploymentSpec.spec.replicas of type int32");
    check_decode("apps/v1.Deployment", "{\"spec\":{\"replicas\":1.5}}",
                 "json: cannot unmarshal number 1.5 into Go struct field "
                 "DeploymentSpec.spec.replicas of type int32");
    check_decode(
        "core/v1.Pod", "{\"spec\":{\"containers\":[{\"env\":[{\"value\":1}]}]}}",
        "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value "
        "of type string");
    check_decode("core/v1.Pod", "{\"spec\":{\"containers\":{}}}",
                 "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of "
                 "type []v1.Container");
    check_decode("core/v1.Pod", "{\"spec\":{\"containers\":[1]}}",
                 "json: cannot unmarshal number into Go struct field PodSpec.spec.containers of "
                 "type v1.Container");
    check_decode("core/v1.Pod", "{\"spec\":7}",
                 "json: cannot unmarshal number into Go struct field Pod.spec of type v1.PodSpec");
    check_decode("core/v1.Pod", "{\"spec\":{\"restartPolicy\":true}}",
                 "json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of "
                 "type v1.RestartPolicy");
    check_decode("core/v1.Pod", "{\"metadata\":{\"labels\":{\"a\":1}}}",
                 "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of "
                 "type string");
    check_decode("core/v1.Pod", "[]", "json: cannot unmarshal array into Go value of type v1.Pod");
}

TEST(decode, checks_quantities_and_makes_them_canonical)
{
    const char *type = "core/v1.ResourceRequirements";

    check_decode(type, "{\"limits\":{\"cpu\":0.5,\"memory\":\"1024Mi\",\"a\":1,\"b\":\" 2 \"}}",
                 "{\"limits\":{\"cpu\":\"500m\",\"memory\":\"1Gi\",\"a\":\"1\",\"b\":\"2\"}}");
    check_decode(type, "{\"limits\":{\"cpu\":\"64MB\"}}",
                 "quantities must match the regular expression "
                 "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    check_decode(type, "{\"limits\":{\"cpu\":true}}",
                 "quantities must match the regular expression "
                 "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    check_decode(type, "{\"limits\":{\"cpu\":\"1mm\"}}", "unable to parse quantity's suffix");
}

TEST(decode, checks_times_as_go_does)
{
    const char *meta = "meta/v1.ObjectMeta", *lease = "coordination/v1.LeaseSpec";

    check_decode(meta, "{\"creationTimestamp\":\"2024-01-01T00:00:00.7+02:00\"}",
                 "{\"creationTimestamp\":\"2023-12-31T22:00:00Z\"}");
    check_decode(meta, "{\"creationTimestamp\":null}", "{}");
    check_decode(meta, "{\"creationTimestamp\":\"soon\"}",
                 "parsing time \"soon\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"soon\" as "
                 "\"2006\"");
    check_decode(meta, "{\"creationTimestamp\":\"2024-02-30T00:00:00Z\"}",
                 "parsing time \"2024-02-30T00:00:00Z\": day out of range");
    check_decode(meta, "{\"creationTimestamp\":\"2024-01-01 00:00:00Z\"}",
                 "parsing time \"2024-01-01 00:00:00Z\" as \"2006-01-02T15:04:05Z07:00\": cannot "
                 "parse \" 00:00:00Z\" as \"T\"");
    check_decode(meta, "{\"creationTimestamp\":5}",
                 "json: cannot unmarshal number into Go struct field "
                 "ObjectMeta.creationTimestamp of type string");
    check_decode(lease, "{\"renewTime\":\"2024-01-01T00:00:00.123456Z\"}",
                 "{\"renewTime\":\"2024-01-01T00:00:00.123456Z\"}");
    check_decode(lease, "{\"renewTime\":\"2024-01-01T00:00:00Z\"}",
                 "parsing time \"2024-01-01T00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": "
                 "cannot parse \"Z\" as \".000000\"");
}

TEST(decode, checks_base64)
{
    const char *type = "core/v1.Secret";

    check_decode(type, "{\"data\":{\"a\":\"YQ==\",\"b\":\"\"}}",
                 "{\"data\":{\"a\":\"YQ==\",\"b\":\"\"}}");
    check_decode(type, "{\"data\":{\"a\":\"YWJj\\nZGVm\\n\"}}", "{\"data\":{\"a\":\"YWJjZGVm\"}}");
    check_decode(type, "{\"data\":{\"a\":\"$\"}}", "illegal base64 data at input byte 0");
    check_decode(type, "{\"data\":{\"a\":\"YWJjZA\"}}", "illegal base64 data at input byte 4");
    check_decode(type, "{\"data\":{\"a\":\"YQ=\"}}", "illegal base64 data at input byte 3");
}

TEST(decode, keeps_int_or_string_as_it_came)
{
    const char *type = "core/v1.ServicePort";

    check_decode(type, "{\"targetPort\":\"http\"}", "{\"targetPort\":\"http\"}");
    check_decode(type, "{\"targetPort\":80}", "{\"targetPort\":80}");
    check_decode(type, "{\"targetPort\":true}",
                 "json: cannot unmarshal bool into Go struct field ServicePort.targetPort of type "
                 "int32");
}

TEST(decode, drops_nulls_and_zeros_that_mean_nothing)
{
    check_decode("core/v1.PodSpec",
                 "{\"hostNetwork\":false,\"automountServiceAccountToken\":false,\"nodeName\":\"\","
                 "\"priority\":0,\"volumes\":[],\"nodeSelector\":{},\"containers\":[],"
                 "\"securityContext\":{},\"affinity\":null}",
                 "{\"automountServiceAccountToken\":false,\"priority\":0,\"containers\":[],"
                 "\"securityContext\":{}}");
    check_decode("apps/v1.DeploymentSpec",
                 "{\"replicas\":0,\"minReadySeconds\":0,\"paused\":false}", "{\"replicas\":0}");
    check_decode("core/v1.ConfigMap", "{\"data\":{\"a\":null,\"b\":\"\"}}",
                 "{\"data\":{\"a\":\"\",\"b\":\"\"}}");
    check_decode("core/v1.Container", "{\"args\":[\"a\",null,\"b\",null]}",
                 "{\"args\":[\"a\",\"b\"]}");
    check_decode("apps/v1.ControllerRevision", "{\"data\":{\"a\":null,\"b\":0}}",
                 "{\"data\":{\"a\":null,\"b\":0}}");
}

TEST(decode, names_unknown_and_duplicate_fields_in_order)
{
    check_problems(
        "apps/v1.Deployment",
        "{\"metadata\":{\"lables\":{}},\"spec\":{\"unknown1\":\"val1\",\"unknownDupe\":\"a\","
        "\"unknownDupe\":\"b\",\"paused\":true,\"paused\":false,\"template\":{\"spec\":{"
        "\"containers\":[{\"unknownNested\":{\"x\":1,\"x\":2},\"imagePullPolicy\":\"Always\","
        "\"imagePullPolicy\":\"Never\"}]}}}}",
        "strict decoding error: unknown field \"metadata.lables\", unknown field "
        "\"spec.unknown1\", "
        "unknown field \"spec.unknownDupe\", duplicate field \"spec.paused\", unknown field "
        "\"spec.template.spec.containers[0].unknownNested\", duplicate field "
        "\"spec.template.spec.containers[0].imagePullPolicy\"");
    check_problems("core/v1.ConfigMap", "{\"data\":{\"a.b\":\"1\",\"a.b\":\"2\"}}",
                   "strict decoding error: duplicate field \"data.a.b\"");
}

TEST(decode, drops_unknown_fields)
{
    check_decode("core/v1.Pod", "{\"spec\":{\"foo\":1,\"hostname\":\"h\"},\"bar\":{}}",
                 "{\"spec\":{\"hostname\":\"h\"}}");
}

TEST(decode, follows_schemas_inside_custom_resource_definitions)
{
    check_problems(
        "apiextensions/v1.JSONSchemaProps",
        "{\"items\":{\"typ\":\"x\"},\"additionalProperties\":false,\"properties\":{\"a\":"
        "{\"items\":[{\"tipe\":\"y\"}]}}}",
        "strict decoding error: unknown field \"items.typ\", unknown field "
        "\"properties.a.items[0].tipe\"");
}

TEST(decode, reads_lists_in_maps)
{
    check_decode("authentication/v1.UserInfo", "{\"extra\":{\"a\":[\"x\",\"y\"],\"b\":[]}}",
                 "{\"extra\":{\"a\":[\"x\",\"y\"],\"b\":[]}}");
    check_decode("authentication/v1.UserInfo", "{\"extra\":{\"a\":\"x\"}}",
                 "json: cannot unmarshal string into Go struct field UserInfo.extra of type "
                 "v1.ExtraValue");
}

/* Each line: what Kubernetes' strict JSON decoder (v1.32) says of a body, a tab, the body. */
static void check_recorded(char *line)
{
    char *body = strchr(line, '\t');
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(json_decrefpp) json_t *dups = json_array();
    cleanup(json_decrefpp) json_t *problems = json_array();
    cleanup(text_fini) struct text text = TEXT_EMPTY;
    const struct schema_type *type;
    struct err err = ERR_EMPTY;

    CHECK(body != NULL);
    *body++ = '\0';
    body[strcspn(body, "\n")] = '\0';
    CHECK_INT(json_parse(&tree, body, strlen(body), dups, &err), 0);
    type = schema_type_by_kind(json_str(tree, "apiVersion"), json_str(tree, "kind"));
    CHECK(type != NULL);
    if (decode_check_dups(tree, type, dups, problems, &err) < 0)
        text_puts(&text, err.text);
    else if (json_array_size(problems) > 0)
        decode_problems_text(&text, problems);
    else
        text_puts(&text, "ok");
    CHECK_STR(text_str(&text), line);
}

TEST(decode, says_what_kubernetes_says)
{
    FILE *f = fopen("tests/unit/data/decode/strict.tsv", "re");
    char *line = NULL;
    size_t cap = 0;
    int n = 0;

    CHECK(f != NULL);
    for (; getline(&line, &cap, f) > 0; n++)
        check_recorded(line);
    free(line);
    fclose(f);
    CHECK(n >= 100);
}
