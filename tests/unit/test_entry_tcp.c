/* layer: net */
#include "net/entry_status.h"
#include "net/entry_tcp.h"
#include "tests/unit/entry_fixture.h"

/* --- who gets which port --- */

static const struct entry_who old_one = { .ns = "ns", .name = "old" };
static const struct entry_who new_one = { .ns = "ns", .name = "new" };
static const uint16_t reserved[] = { 80, 443, 6443, 0 };

static struct entry_listen want(const struct entry_who *who, uint16_t port, bool is_tcp)
{
    return (struct entry_listen){ .service = who, .port = port, .is_tcp = is_tcp };
}

TEST(entry_tcp, the_older_service_gets_the_port)
{
    const struct entry_listen wants[] = { want(&old_one, 8080, true), want(&new_one, 8080, true),
                                          want(&new_one, 8081, true) };
    struct entry_tcp_decision plan[3];

    entry_tcp_plan(plan, wants, 3, NULL, 0, reserved);
    CHECK_INT(plan[0].verdict, ENTRY_TCP_OPEN);
    CHECK_INT(plan[1].verdict, ENTRY_TCP_TAKEN);
    CHECK(plan[1].owner == &old_one);
    CHECK_INT(plan[2].verdict, ENTRY_TCP_OPEN);
}

TEST(entry_tcp, who_has_the_port_keeps_it)
{
    const struct entry_listen wants[] = { want(&old_one, 8080, true), want(&new_one, 8080, true) };
    const struct entry_tcp_held held[] = { { .ns = "ns", .service = "new", .port = 8080 } };
    struct entry_tcp_decision plan[2];

    entry_tcp_plan(plan, wants, 2, held, 1, reserved);
    CHECK_INT(plan[0].verdict, ENTRY_TCP_TAKEN);
    CHECK_INT(plan[1].verdict, ENTRY_TCP_KEEP);
}

TEST(entry_tcp, our_own_ports_and_other_protocols_are_refused)
{
    const struct entry_listen wants[] = { want(&old_one, 443, true), want(&old_one, 53, false),
                                          want(&new_one, 53, true) };
    struct entry_tcp_decision plan[3];

    entry_tcp_plan(plan, wants, 3, NULL, 0, reserved);
    CHECK_INT(plan[0].verdict, ENTRY_TCP_RESERVED);
    CHECK_INT(plan[1].verdict, ENTRY_TCP_PROTOCOL);
    CHECK_INT(plan[2].verdict, ENTRY_TCP_OPEN);
}

/* --- carrying --- */

struct tcp_fixture {
    struct entry_fixture f;
    struct entry_tcp *tcp;
    unsigned n_problems;
    char problem[256];
    uint16_t port;
    bool is_closed;
};

static void on_problem(void *arg, const struct entry_listen *want UNUSED, const char *message)
{
    struct tcp_fixture *t = arg;

    t->n_problems++;
    snprintf(t->problem, sizeof(t->problem), "%s", message);
}

/* A port that nobody has just now. */
static uint16_t free_port(void)
{
    struct backend b;

    backend_up(&b, "probe");
    backend_down(&b);
    return b.port;
}

static void tcp_apply(struct tcp_fixture *t, const char *name, const char *more)
{
    cleanup(freep) char *json = mem_fmt(
        "{\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{\"port\":%u,"
        "\"name\":\"x\"}]%s}}",
        t->port, more);
    struct entry_table *table;

    fixture_feed(&t->f, "service", name, json);
    table = entry_table_new(&t->f.facts);
    entry_worker_swap(t->f.worker, table);
    entry_tcp_update(t->tcp, table, on_problem, t);
    entry_table_unref(table);
}

static void tcp_slice(struct tcp_fixture *t, const char *name, const struct backend *b)
{
    cleanup(freep) char *json = mem_fmt(
        "{\"metadata\":{\"labels\":{\"kubernetes.io/"
        "service-name\":\"l4\"}},\"ports\":[{\"port\":%u,"
        "\"name\":\"x\"}],\"endpoints\":[{\"addresses\":[\"127.0.0.1\"]}]}",
        b->port);

    fixture_feed(&t->f, "slice", name, json);
}

static void tcp_up(struct tcp_fixture *t)
{
    struct entry_tcp_opts opts = { .address = "127.0.0.1", .reserved = reserved };

    memset(t, 0, sizeof(*t));
    entry_fixture_up(&t->f, NULL);
    opts.worker = t->f.worker;
    t->tcp = entry_tcp_new(&opts);
    t->port = free_port();
    tcp_slice(t, "l4-a", &t->f.a);
}

static void tcp_down(struct tcp_fixture *t)
{
    entry_tcp_close(t->tcp, fixture_on_closed, &t->is_closed);
    CHECK_SOON(&t->f.loop, t->is_closed, 5000);
    entry_fixture_down(&t->f);
}

static void tcp_caller_open(struct caller *c, const struct tcp_fixture *t)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(t->port) };

    *c = (struct caller){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    CHECK(connect(c->fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

TEST(entry_tcp, a_port_reaches_the_endpoints_and_half_closes_pass)
{
    struct tcp_fixture t;
    struct caller c;

    tcp_up(&t);
    tcp_apply(&t, "l4", "");
    CHECK(entry_tcp_serves(t.tcp, "ns", "l4"));
    tcp_caller_open(&c, &t);
    caller_send(&c, "GET /ws HTTP/1.1\r\n\r\nraw");
    CHECK_SOON(&t.f.loop, caller_has(&c, "hi:raw"), 5000);
    shutdown(c.fd, SHUT_WR);
    CHECK_SOON(&t.f.loop, caller_is_at_end(&c), 5000);
    CHECK(caller_has(&c, ":bye"));
    CHECK_INT(t.f.worker->n_splices, 0);
    caller_close(&c);
    tcp_down(&t);
}

TEST(entry_tcp, a_dead_endpoint_is_passed_over)
{
    struct tcp_fixture t;
    struct caller c;

    tcp_up(&t);
    tcp_slice(&t, "l4-b", &t.f.b);
    tcp_apply(&t, "l4", "");
    backend_down(&t.f.a);
    for (unsigned i = 0; i < 4; i++) {
        tcp_caller_open(&c, &t);
        ASK(&c, &t.f, "GET / HTTP/1.1\r\n\r\n");
        CHECK(caller_has(&c, "X-Backend: b"));
        caller_close(&c);
    }
    tcp_down(&t);
}

TEST(entry_tcp, one_client_stays_with_one_endpoint_when_the_service_says_so)
{
    struct tcp_fixture t;
    struct caller c;

    tcp_up(&t);
    tcp_slice(&t, "l4-b", &t.f.b);
    tcp_apply(&t, "l4", ",\"sessionAffinity\":\"ClientIP\"");
    for (unsigned i = 0; i < 4; i++) {
        tcp_caller_open(&c, &t);
        ASK(&c, &t.f, "GET / HTTP/1.1\r\n\r\n");
        caller_close(&c);
    }
    CHECK(t.f.a.n_requests == 4 || t.f.b.n_requests == 4);
    tcp_down(&t);
}

TEST(entry_tcp, only_the_allowed_sources_get_in)
{
    struct tcp_fixture t;
    struct caller c;

    tcp_up(&t);
    tcp_apply(&t, "l4", ",\"loadBalancerSourceRanges\":[\"10.0.0.0/8\"]");
    tcp_caller_open(&c, &t);
    CHECK_SOON(&t.f.loop, caller_is_at_end(&c), 5000);
    caller_close(&c);
    tcp_apply(&t, "l4", ",\"loadBalancerSourceRanges\":[\"10.0.0.0/8\",\"127.0.0.0/9\"]");
    tcp_caller_open(&c, &t);
    ASK(&c, &t.f, "GET / HTTP/1.1\r\n\r\n");
    caller_close(&c);
    tcp_down(&t);
}

TEST(entry_tcp, without_endpoints_a_client_is_sent_away)
{
    struct tcp_fixture t;
    struct caller c;

    tcp_up(&t);
    entry_facts_slice(&t.f.facts, "ns", "l4-a", NULL);
    tcp_apply(&t, "l4", "");
    tcp_caller_open(&c, &t);
    CHECK_SOON(&t.f.loop, caller_is_at_end(&c), 5000);
    caller_close(&c);
    tcp_down(&t);
}

TEST(entry_tcp, a_port_passes_on_when_its_service_goes)
{
    struct tcp_fixture t;
    struct caller c;

    tcp_up(&t);
    tcp_apply(&t, "first", "");
    tcp_apply(&t, "l4", "");
    CHECK_INT(t.n_problems, 1);
    CHECK(strstr(t.problem, "is already used by Service ns/first") != NULL);
    CHECK(!entry_tcp_serves(t.tcp, "ns", "l4"));
    entry_facts_service(&t.f.facts, "ns", "first", NULL);
    tcp_apply(&t, "l4", "");
    CHECK_INT(t.n_problems, 1);
    CHECK(entry_tcp_serves(t.tcp, "ns", "l4"));
    tcp_caller_open(&c, &t);
    ASK(&c, &t.f, "GET / HTTP/1.1\r\n\r\n");
    caller_close(&c);
    tcp_down(&t);
}

TEST(entry_tcp, a_port_that_this_host_needs_is_told)
{
    struct tcp_fixture t;

    tcp_up(&t);
    t.port = t.f.b.port;
    tcp_apply(&t, "l4", "");
    CHECK_INT(t.n_problems, 1);
    CHECK(strstr(t.problem, "Address already in use") != NULL ||
          strstr(t.problem, "address already in use") != NULL);
    CHECK(entry_tcp_is_wanting(t.tcp));
    backend_down(&t.f.b);
    tcp_apply(&t, "l4", "");
    CHECK(!entry_tcp_is_wanting(t.tcp) && entry_tcp_serves(t.tcp, "ns", "l4"));
    tcp_down(&t);
}

/* --- status --- */

TEST(entry_status, says_our_address_and_takes_only_that_back)
{
    static const struct {
        const char *published;
        bool is_service, serves;
        const char *want;
    } rows[] = {
        { "", false, true, "[{\"ip\":\"10.0.0.9\"}]" },
        { "", true, true, "[{\"ip\":\"10.0.0.9\",\"ipMode\":\"VIP\"}]" },
        { "[{\"ip\":\"10.0.0.9\"}]", false, true, NULL },
        { "[{\"ip\":\"10.0.0.8\"}]", false, true, "[{\"ip\":\"10.0.0.9\"}]" },
        { "[{\"ip\":\"10.0.0.9\"}]", false, false, "" },
        { "[{\"ip\":\"10.0.0.8\"}]", false, false, NULL },
        { "", true, false, NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *want = entry_status_want(rows[i].published, "10.0.0.9",
                                                      rows[i].is_service, rows[i].serves);

        CHECK_STR(want, rows[i].want);
    }
}

/* --- TargetGroupBindings --- */

static const struct entry_who binding_one = { .ns = "ns", .name = "tgb" };

TEST(entry_tcp, a_binding_and_its_own_service_share_a_port)
{
    const struct entry_listen wants[] = {
        want(&old_one, 8080, true),
        { .service = &old_one, .binding = &binding_one, .port = 8080, .is_tcp = true },
        { .service = &new_one, .binding = &binding_one, .port = 8080, .is_tcp = true }
    };
    const struct entry_tcp_held held[] = { { .ns = "ns", .service = "old", .port = 8080 } };
    struct entry_tcp_decision plan[3];

    entry_tcp_plan(plan, wants, 3, NULL, 0, reserved);
    CHECK_INT(plan[0].verdict, ENTRY_TCP_OPEN);
    CHECK_INT(plan[1].verdict, ENTRY_TCP_SHARED);
    CHECK_INT(plan[2].verdict, ENTRY_TCP_TAKEN);
    CHECK(plan[2].owner == &old_one);
    entry_tcp_plan(plan, wants, 3, held, 1, reserved);
    CHECK((plan[0].verdict == ENTRY_TCP_KEEP) != (plan[1].verdict == ENTRY_TCP_KEEP));
    CHECK_INT(plan[2].verdict, ENTRY_TCP_TAKEN);
}

static void feed_group(struct entry_fixture *f, const char *name, const char *spec)
{
    cleanup(freep) char *json = mem_fmt("{'metadata':{'creationTimestamp':'2026-01-0%c'},"
                                        "'spec':{%s}}",
                                        name[0], spec);
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct err err = ERR_EMPTY;

    for (char *p = json; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    CHECK(json_parse(&tree, json, strlen(json), NULL, &err) == 0);
    json_put_str(tree, "metadata.namespace", "ns");
    json_put_str(tree, "metadata.name", name);
    entry_facts_group(&f->facts, "ns", name, tree);
}

TEST(entry_tcp, bindings_open_their_services_ports_oldest_first)
{
    struct entry_fixture f;
    struct entry_table *table;
    const struct entry_listen *l;
    const struct entry_warning *w;
    size_t n;

    entry_fixture_up(&f, NULL);
    fixture_feed(&f, "service", "app",
                 "{\"spec\":{\"type\":\"ClusterIP\",\"ports\":[{\"port\":8081,\"name\":\"web\"},"
                 "{\"port\":53,\"name\":\"dns\",\"protocol\":\"UDP\"}]}}");
    feed_group(&f, "3-web",
               "'serviceRef':{'name':'app','port':'web'},'networking':{'ingress':[{"
               "'from':[{'ipBlock':{'cidr':'10.0.0.0/8'}}],'ports':[]}]}");
    feed_group(&f, "1-web",
               "'serviceRef':{'name':'app','port':8081},'networking':{'ingress':[{"
               "'from':[{'ipBlock':{'cidr':'10.0.0.0/8'}},{'securityGroup':{"
               "'groupID':'sg'}}],'ports':[]}]}");
    feed_group(&f, "2-dns", "'serviceRef':{'name':'app','port':'dns'}");
    feed_group(&f, "4-none", "'serviceRef':{'name':'gone','port':1}");
    feed_group(&f, "5-port", "'serviceRef':{'name':'app','port':1}");
    table = entry_table_new(&f.facts);
    l = entry_table_listens(table, &n);
    CHECK_INT(n, 3);
    CHECK_STR(l[0].binding->name, "1-web");
    CHECK_STR(l[0].service->name, "app");
    CHECK_INT(l[0].port, 8081);
    CHECK_INT(l[0].n_sources, 0); /* a security group says nothing about addresses */
    CHECK(!l[1].is_tcp);
    CHECK_INT(l[2].n_sources, 1);
    w = entry_table_warnings(table, &n);
    CHECK_INT(n, 2);
    for (size_t i = 0; i < n; i++) {
        CHECK(w[i].is_binding);
        CHECK_STR(w[i].reason, "BackendNotFound");
        CHECK_STR(w[i].message, w[i].ingress->name[0] == '4'
                                    ? "backend not found: Service \"gone\" not found"
                                    : "backend not found: unable to find port 1 on service ns/app");
    }
    entry_table_unref(table);
    entry_fixture_down(&f);
}
