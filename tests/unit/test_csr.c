/* layer: controlplane */
#include "api/conditions.h"
#include "api/csr.h"
#include "base/bits.h"
#include "base/clock.h"
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"
#include "tests/unit/registry_fixture.h"

static char *csr_of(const struct tls_spec *spec)
{
    cleanup(freep) char *key = NULL, *pem = NULL;
    struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_csr_make(&key, &pem, spec, &err), 0);
    bits_base64(&t, pem, strlen(pem));
    return text_take(&t);
}

static char *csr_object(const struct tls_spec *spec, const char *signer, const char *usages)
{
    cleanup(freep) char *request = csr_of(spec);

    return mem_fmt("{'metadata': {'name': 'a', 'creationTimestamp': '2026-01-01T00:00:00Z'}, "
                   "'spec': {'request': '%s', 'signerName': '%s', "
                   "'usages': [%s], 'username': 'system:node:w1', 'groups': ['system:nodes']}}",
                   request, signer, usages);
}

static const char *const csr_nodes[] = { "system:nodes", NULL };
static const char *const csr_masters[] = { "system:masters", NULL };
static const char *const csr_ip[] = { "10.0.0.1", NULL };
static const char *const csr_mail[] = { "a@b.c", NULL };

#define CSR_CLIENT_USAGES "'digital signature', 'client auth'"
#define CSR_SERVER_USAGES "'digital signature', 'key encipherment', 'server auth'"

TEST(csr, each_signer_takes_what_kubernetes_gives_it)
{
    const struct {
        const char *signer, *usages, *says; /* NULL: signed */
        struct tls_spec spec;
    } rows[] = {
        { CSR_CLIENT, "'client auth'", NULL, { .cn = "jane" } },
        { CSR_CLIENT,
          "'digital signature'",
          "missing required usage for client certificate: client auth",
          { .cn = "jane" } },
        { CSR_CLIENT,
          "'client auth', 'server auth'",
          "invalid usage for client certificate: server auth",
          { .cn = "jane" } },
        { CSR_CLIENT_KUBELET,
          CSR_CLIENT_USAGES,
          NULL,
          { .cn = "system:node:w1", .orgs = csr_nodes } },
        { CSR_CLIENT_KUBELET,
          CSR_CLIENT_USAGES,
          "subject organization is not system:nodes",
          { .cn = "system:node:w1" } },
        { CSR_CLIENT_KUBELET,
          CSR_CLIENT_USAGES,
          "subject common name does not begin with system:node:",
          { .cn = "w1", .orgs = csr_nodes } },
        { CSR_CLIENT_KUBELET,
          CSR_CLIENT_USAGES,
          "IP subjectAltNames are not allowed",
          { .cn = "system:node:w1", .orgs = csr_nodes, .ips = csr_ip } },
        { CSR_CLIENT_KUBELET,
          "'client auth'",
          "usages did not match [client auth digital signature key encipherment]",
          { .cn = "system:node:w1", .orgs = csr_nodes } },
        { CSR_SERVING,
          CSR_SERVER_USAGES,
          NULL,
          { .cn = "system:node:w1", .orgs = csr_nodes, .ips = csr_ip } },
        { CSR_SERVING,
          CSR_SERVER_USAGES,
          "DNS or IP subjectAltName is required",
          { .cn = "system:node:w1", .orgs = csr_nodes } },
        { CSR_SERVING,
          CSR_SERVER_USAGES,
          "Email subjectAltNames are not allowed",
          { .cn = "system:node:w1", .orgs = csr_nodes, .ips = csr_ip, .emails = csr_mail } },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *text = csr_object(&rows[i].spec, rows[i].signer, rows[i].usages);
        cleanup(json_decrefpp) json_t *tree = quoted(text);
        struct err err = ERR_EMPTY;

        CHECK_INT(csr_check(tree, &err), rows[i].says != NULL ? ERR_INVALID : CSR_OURS);
        if (rows[i].says != NULL)
            CHECK_STR(err.text, rows[i].says);
    }
}

TEST(csr, other_signers_are_left_to_others)
{
    const struct tls_spec spec = { .cn = "jane" };
    cleanup(freep) char *text = csr_object(&spec, "example.com/mine", "'client auth'");
    cleanup(json_decrefpp) json_t *tree = quoted(text);
    struct err err = ERR_EMPTY;

    CHECK_INT(csr_check(tree, &err), CSR_FOREIGN);
}

TEST(csr, a_certificate_lasts_as_long_as_was_asked_for_and_at_most_a_year)
{
    static const struct {
        const char *asked;
        int64_t seconds;
    } rows[] = { { "600", 600 }, { "86400", 86400 }, { "99999999", 365LL * 86400 } };
    const struct tls_spec spec = { .cn = "jane" };
    cleanup(tls_pair_fini) struct tls_pair ca = TLS_PAIR_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(tls_ca_make(&ca, "test", &err), 0);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *text = csr_object(&spec, CSR_CLIENT, "'client auth'");
        cleanup(json_decrefpp) json_t *tree = quoted(text);
        cleanup(freep) char *pem = NULL;
        int64_t end, left;

        json_put_int(tree, "spec.expirationSeconds", atoll(rows[i].asked));
        CHECK_INT(csr_issue(&pem, tree, &ca, 0, &err), 0);
        CHECK_INT(tls_cert_expiry(&end, pem, &err), 0);
        left = end / 1000 - clock_wall_ms() / 1000;
        CHECK(left <= rows[i].seconds && left > rows[i].seconds - 60);
    }
}

/* --- in the way of a write --- */

static int csr_create(struct registry_fixture *f, const struct tls_spec *spec, const char *signer,
                      const char *usages)
{
    cleanup(freep) char *text = csr_object(spec, signer, usages);

    return registry_fixture_ask(
        f, (struct ask){ .verb = REGISTRY_CREATE, .bucket = CSR_BUCKET, .ns = "", .body = text });
}

TEST(csr, who_asks_is_written_down_and_not_believed)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(csr_create(&f, &(struct tls_spec){ .cn = "jane" }, CSR_CLIENT, "'client auth'"), 201);
    CHECK_AT("spec.username", "'ann'");
    CHECK_AT("spec.groups", "['system:masters','system:authenticated']");
    CHECK_AT("status", "{}");
    registry_fixture_down(&f);
}

TEST(csr, nobody_becomes_an_administrator_by_a_request)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(csr_create(&f, &(struct tls_spec){ .cn = "jane", .orgs = csr_masters }, CSR_CLIENT,
                         "'client auth'"),
              403);
    CHECK_SAYS("certificatesigningrequests.certificates.k8s.io \"a\" is forbidden: use of "
               "kubernetes.io/kube-apiserver-client signer with system:masters group is not "
               "allowed");
    registry_fixture_down(&f);
}

TEST(csr, a_decision_stays_and_is_one)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(csr_create(&f, &(struct tls_spec){ .cn = "jane" }, CSR_CLIENT, "'client auth'"), 201);
#define APPROVAL(conditions)                                              \
    MERGE(.bucket = CSR_BUCKET, .ns = "", .name = "a", .sub = "approval", \
          .body = "{'status': {'certificate': 'bm8=', 'conditions': [" conditions "]}}")
    CHECK_INT(APPROVAL("{'type': 'Denied', 'status': 'False'}"), 422);
    CHECK_INT(APPROVAL("{'type': 'Denied', 'status': 'True'}, "
                       "{'type': 'Approved', 'status': 'True'}"),
              422);
    CHECK_INT(APPROVAL("{'type': 'Denied', 'status': 'True'}"), 200);
    CHECK_AT("status.certificate", "");
    CHECK_AT("status.conditions.0.type", "'Denied'");
    CHECK(tree_at(f.body, "status.conditions.0.lastTransitionTime") != NULL);
    CHECK_INT(APPROVAL(""), 422);
    CHECK_SAYS("CertificateSigningRequest.certificates.k8s.io \"a\" is invalid: "
               "status.conditions: Forbidden: updates may not remove a condition of type "
               "\"Denied\"");
    registry_fixture_down(&f);
}

TEST(csr, what_was_asked_for_does_not_change)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(csr_create(&f, &(struct tls_spec){ .cn = "jane" }, CSR_CLIENT, "'client auth'"), 201);
    CHECK_INT(MERGE(.bucket = CSR_BUCKET, .ns = "", .name = "a",
                    .body = "{'metadata': {'labels': {'x': 'y'}}, 'spec': {'signerName': 'a.b/c'}, "
                            "'status': {'certificate': 'bm8='}}"),
              200);
    CHECK_AT("spec.signerName", "'" CSR_CLIENT "'");
    CHECK_AT("metadata.labels", "{'x':'y'}");
    CHECK_AT("status", "{}");
    registry_fixture_down(&f);
}

TEST(csr, what_is_no_request_is_told_in_gos_words)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = CSR_BUCKET, .ns = "",
                     .body = "{'metadata': {'name': 'a'}, 'spec': {'request': 'LS0=', 'usages': "
                             "['client auth', 'client auth'], 'signerName': "
                             "'kubernetes.io/legacy-unknown', 'expirationSeconds': 599}}"),
              422);
    CHECK_SAYS(
        "CertificateSigningRequest.certificates.k8s.io \"a\" is invalid: [spec.request: Invalid "
        "value: []byte{0x2d, 0x2d}: PEM block type must be CERTIFICATE REQUEST, spec.usages[1]: "
        "Duplicate value: \"client auth\", spec.signerName: Invalid value: "
        "\"kubernetes.io/legacy-unknown\": the legacy signerName is not allowed via this API "
        "version, spec.expirationSeconds: Invalid value: 599: may not specify a duration less "
        "than 600 seconds (10 minutes)]");
    registry_fixture_down(&f);
}

/* --- controllers --- */

static void csr_put(struct plan_fixture *f, const struct tls_spec *spec, const char *signer,
                    const char *usages)
{
    cleanup(freep) char *text = csr_object(spec, signer, usages);

    plan_fixture_put(f, CSR_BUCKET, text);
}

TEST(csr, a_node_gets_its_own_client_certificate_without_anybody)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    csr_put(&f, &(struct tls_spec){ .cn = "system:node:w1", .orgs = csr_nodes }, CSR_CLIENT_KUBELET,
            CSR_CLIENT_USAGES);
    plan_fixture_run(&f, &csrapproving_controller, "", "a");
    CHECK_INT(f.plan.n, 0); /* nobody said that nodes may */
    plan_fixture_put(&f, RBAC_CLUSTER_ROLES,
                     "{'metadata':{'name':'r'},'rules':[{'verbs':['create'],'apiGroups':["
                     "'certificates.k8s.io'],'resources':["
                     "'certificatesigningrequests/selfnodeclient']}]}");
    plan_fixture_put(&f, RBAC_CLUSTER_ROLEBINDINGS,
                     "{'metadata':{'name':'b'},'roleRef':{'kind':'ClusterRole','name':'r'},"
                     "'subjects':[{'kind':'Group','name':'system:nodes'}]}");
    plan_fixture_run(&f, &csrapproving_controller, "", "a");
    w = plan_fixture_write(&f, PLAN_APPROVAL, CSR_BUCKET, 0);
    CHECK(w != NULL);
    CHECK(condition_is(json_at(w->tree, "status"), "Approved", "True"));
    csr_put(&f, &(struct tls_spec){ .cn = "system:node:w2", .orgs = csr_nodes }, CSR_CLIENT_KUBELET,
            CSR_CLIENT_USAGES);
    plan_fixture_run(&f, &csrapproving_controller, "", "a");
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}

TEST(csr, a_serving_certificate_names_only_what_the_node_is)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    csr_put(&f, &(struct tls_spec){ .cn = "system:node:w1", .orgs = csr_nodes, .ips = csr_ip },
            CSR_SERVING, CSR_SERVER_USAGES);
    plan_fixture_run(&f, &csrapproving_controller, "", "a");
    CHECK_INT(f.plan.n, 0);
    plan_fixture_put(&f, "nodes",
                     "{'metadata': {'name': 'w1'}, 'status': {'addresses': [{'type': "
                     "'InternalIP', 'address': '10.0.0.1'}]}}");
    plan_fixture_run(&f, &csrapproving_controller, "", "a");
    CHECK_INT(plan_fixture_count(&f, PLAN_APPROVAL, CSR_BUCKET), 1);
    plan_fixture_set(&f, "nodes", "w1", "status.addresses", "[]");
    plan_fixture_run(&f, &csrapproving_controller, "", "a");
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}

TEST(csr, old_requests_go)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    csr_put(&f, &(struct tls_spec){ .cn = "jane" }, CSR_CLIENT, "'client auth'");
    plan_fixture_run(&f, &csrcleaner_controller, "", "a");
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, 24 * 3600000);
    plan_fixture_set(&f, CSR_BUCKET, "a", "status",
                     "{'conditions': [{'type': 'Denied', 'status': 'True', 'lastUpdateTime': "
                     "'2026-01-01T00:00:10Z'}]}");
    plan_fixture_run(&f, &csrcleaner_controller, "", "a");
    CHECK_INT(f.plan.again_ms, 3610000);
    f.now.wall_ms += 3610000;
    plan_fixture_run(&f, &csrcleaner_controller, "", "a");
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, CSR_BUCKET), 1);
    plan_fixture_down(&f);
}
