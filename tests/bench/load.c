/* load: asks an HTTP server over TLS, N connections at once, one request at a time on each.
 *
 *   load HOST PORT CERT KEY CLIENTS SECONDS create PATH       POST ConfigMaps of 1 KiB, each name once
 *   load HOST PORT CERT KEY CLIENTS SECONDS put               the same bytes to etcd: /v3/kv/put
 *   load HOST PORT CERT KEY CLIENTS SECONDS get PATH          GET; the same path of etcd: range KEY
 *   load HOST PORT CERT KEY CLIENTS SECONDS range
 *   load HOST PORT CERT KEY CLIENTS N update PATH             N PUTs over 10,000 names, made first
 *   load HOST PORT CERT KEY CLIENTS N pods PATH               N creates of pods as real ones are, 3.5 KB
 *   load HOST PORT CERT KEY CLIENTS N watch PATH              CLIENTS watches, N creates one after the
 *                                                             other: until the last watcher has each
 *
 * CERT and KEY: files in PEM, "-" for none.  The server's certificate is not checked: this
 * measures.  The same program asks both servers, so that it costs both the same.  One thread.
 * Prints one JSON object; answers other than 2xx are counted and the first is shown.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LOAD_NAMES    10000
#define LOAD_TOOK_MAX 4000000
#define LOAD_HEAD_MAX 16384

struct conn {
    gnutls_session_t session;
    int fd;
    double start;
    char head[LOAD_HEAD_MAX];
    size_t n_head;
    bool in_body, chunked;
    size_t left; /* of the body, or of the chunk with its line end */
    char line[32];
    size_t n_line;
    bool last_chunk;
    int status;
    char said[400]; /* the body's beginning */
    size_t n_said, n_body;
    uint64_t events; /* of a watch: its lines */
};

static struct {
    const char *host, *cert, *key, *mode, *path;
    int port, n_conns;
    double amount; /* seconds or requests */
    gnutls_certificate_credentials_t creds;
    struct conn *conns;
    int epoll;
    uint32_t *took; /* microseconds */
    size_t n_took, n_sent, n_failed, n_bytes;
    char failure[500];
    char padding[8192];
} load;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- connections --- */

static void conn_open(struct conn *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)load.port) };
    int on = 1, rc;

    inet_pton(AF_INET, load.host, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    gnutls_init(&c->session, GNUTLS_CLIENT);
    gnutls_set_default_priority(c->session);
    gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, load.creds);
    gnutls_transport_set_int(c->session, c->fd);
    do {
        rc = gnutls_handshake(c->session);
    } while (rc < 0 && !gnutls_error_is_fatal(rc));
    if (rc < 0) {
        fprintf(stderr, "load: handshake: %s\n", gnutls_strerror(rc));
        exit(1);
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd,
              &(struct epoll_event){ .events = EPOLLIN, .data.ptr = c });
}

static void conn_send(struct conn *c, const char *data, size_t len)
{
    c->start = now();
    c->n_head = c->n_said = c->n_body = c->n_line = 0;
    c->in_body = c->last_chunk = false;
    while (len > 0) {
        ssize_t n = gnutls_record_send(c->session, data, len);

        if (n == GNUTLS_E_AGAIN) {
            struct pollfd p = { .fd = c->fd, .events = POLLOUT };

            poll(&p, 1, -1);
            continue;
        }
        if (n < 0) {
            fprintf(stderr, "load: send: %s\n", gnutls_strerror((int)n));
            exit(1);
        }
        data += n;
        len -= (size_t)n;
    }
}

/* --- requests --- */

static size_t base64(char *to, const char *from, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *start = to;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)from[i] << 16;

        v |= i + 1 < len ? (uint32_t)(unsigned char)from[i + 1] << 8 : 0;
        v |= i + 2 < len ? (uint32_t)(unsigned char)from[i + 2] : 0;
        *to++ = digits[v >> 18];
        *to++ = digits[(v >> 12) & 63];
        *to++ = i + 1 < len ? digits[(v >> 6) & 63] : '=';
        *to++ = i + 2 < len ? digits[v & 63] : '=';
    }
    *to = '\0';
    return (size_t)(to - start);
}

/* A ConfigMap that is 1 KiB of JSON as it is sent. */
static int config_map(char *to, size_t max, const char *name, size_t version)
{
    int n = snprintf(
        to, max,
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\",\"labels\":"
        "{\"app\":\"bench\"}},\"data\":{\"version\":\"%zu\",\"text\":\"",
        name, version);

    return n + snprintf(to + n, max - (size_t)n, "%.*s\"}}", 1024 - n - 3, load.padding);
}

/* What a controller's pod with a sidecar looks like. */
static int pod(char *to, size_t max, const char *name)
{
    static const char container[] =
        "{\"name\":\"%s\",\"image\":\"registry.example.org/shop/"
        "%s:1.27.3\",\"ports\":[{\"name\":\"http\","
        "\"containerPort\":%d}],\"env\":[{\"name\":\"POD_NAME\",\"valueFrom\":{\"fieldRef\":{"
        "\"fieldPath\":"
        "\"metadata.name\"}}},{\"name\":\"DATABASE_URL\",\"valueFrom\":{\"secretKeyRef\":{\"name\":"
        "\"db\",\"key\":"
        "\"url\"}}},{\"name\":\"LOG_LEVEL\",\"value\":\"info\"},{\"name\":\"HTTP_PROXY\",\"value\":"
        "\"\"}],"
        "\"resources\":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"128Mi\"},\"limits\":{"
        "\"memory\":\"256Mi\"}},"
        "\"livenessProbe\":{\"httpGet\":{\"path\":\"/"
        "healthz\",\"port\":\"http\"},\"initialDelaySeconds\":5},"
        "\"readinessProbe\":{\"httpGet\":{\"path\":\"/"
        "ready\",\"port\":\"http\"},\"periodSeconds\":5},"
        "\"volumeMounts\":[{\"name\":\"config\",\"mountPath\":\"/etc/"
        "shop\",\"readOnly\":true},{\"name\":\"tmp\","
        "\"mountPath\":\"/tmp\"}],\"securityContext\":{\"runAsNonRoot\":true,\"runAsUser\":1000,"
        "\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":[\"ALL\"]}}}";
    char web[2048], side[2048];

    snprintf(web, sizeof(web), container, "web", "web", 8080);
    snprintf(side, sizeof(side), container, "metrics", "exporter", 9113);
    return snprintf(
        to, max,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":"
        "\"shop\",\"app.kubernetes.io/name\":\"shop\",\"app.kubernetes.io/instance\":\"shop-1\","
        "\"pod-template-hash\":\"6d4cf56db6\"},\"annotations\":{\"prometheus.io/scrape\":\"true\","
        "\"checksum/"
        "config\":\"8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4\"}},"
        "\"spec\":{\"schedulerName\":\"nobody\",\"serviceAccountName\":\"default\",\"containers\":["
        "%s,%s],"
        "\"volumes\":[{\"name\":\"config\",\"configMap\":{\"name\":\"shop\"}},{\"name\":\"tmp\","
        "\"emptyDir\":{}}]}}",
        name, web, side);
}

static void request(struct conn *c, const char *method, const char *path, const char *body, int len)
{
    static char all[16384];
    int n = snprintf(all, sizeof(all),
                     "%s %s HTTP/1.1\r\nHost: %s:%d\r\nAccept: application/json\r\n"
                     "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
                     method, path, load.host, load.port, len);

    memcpy(all + n, body, (size_t)len);
    conn_send(c, all, (size_t)(n + len));
}

static void ask_etcd(struct conn *c, const char *name, const char *value, int len, const char *path)
{
    static char body[8192], key64[256], value64[4096];

    base64(key64, name, strlen(name));
    base64(value64, value, (size_t)len);
    len = len > 0
              ? snprintf(body, sizeof(body), "{\"key\":\"%s\",\"value\":\"%s\"}", key64, value64)
              : snprintf(body, sizeof(body), "{\"key\":\"%s\"}", key64);
    request(c, "POST", path, body, len);
}

static void ask(struct conn *c)
{
    static char body[8192], path[512], name[64];
    size_t n = load.n_sent++;
    int len;

    snprintf(name, sizeof(name), "b%d-%zu", (int)getpid(), n);
    if (strcmp(load.mode, "get") == 0) {
        request(c, "GET", load.path, "", 0);
    } else if (strcmp(load.mode, "range") == 0) {
        ask_etcd(c, "/bench/one", "", 0, "/v3/kv/range");
    } else if (strcmp(load.mode, "put") == 0) {
        len = config_map(body, sizeof(body), name, n);
        ask_etcd(c, name, body, len, "/v3/kv/put");
    } else if (strcmp(load.mode, "pods") == 0) {
        request(c, "POST", load.path, body, pod(body, sizeof(body), name));
    } else if (strcmp(load.mode, "update") == 0 && n >= LOAD_NAMES) {
        snprintf(name, sizeof(name), "u%zu", n % LOAD_NAMES);
        snprintf(path, sizeof(path), "%s/%s", load.path, name);
        request(c, "PUT", path, body, config_map(body, sizeof(body), name, n));
    } else {
        if (strcmp(load.mode, "update") == 0)
            snprintf(name, sizeof(name), "u%zu", n);
        request(c, "POST", load.path, body, config_map(body, sizeof(body), name, n));
    }
}

/* --- answers --- */

static void conn_body(struct conn *c, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        c->events += data[i] == '\n';
    c->n_body += len;
    load.n_bytes += len;
    len = len < sizeof(c->said) - 1 - c->n_said ? len : sizeof(c->said) - 1 - c->n_said;
    memcpy(c->said + c->n_said, data, len);
    c->n_said += len;
    c->said[c->n_said] = '\0';
}

static void conn_head(struct conn *c)
{
    const char *length;

    c->head[c->n_head] = '\0';
    c->status = atoi(c->head + sizeof("HTTP/1.1"));
    length = strcasestr(c->head, "\r\ncontent-length:");
    c->chunked = strcasestr(c->head, "\r\ntransfer-encoding: chunked") != NULL;
    c->left = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    c->in_body = true;
}

/* One step through what came; true when the answer is complete. */
static bool conn_take(struct conn *c, const char **data, size_t *len)
{
    size_t n;

    if (!c->in_body) {
        while (*len > 0 && c->n_head < LOAD_HEAD_MAX - 1) {
            c->head[c->n_head++] = *(*data)++;
            --*len;
            if (c->n_head >= 4 && memcmp(c->head + c->n_head - 4, "\r\n\r\n", 4) == 0) {
                conn_head(c);
                return !c->chunked && c->left == 0;
            }
        }
        return false;
    }
    if (c->chunked && c->left == 0) { /* a chunk's size, or the empty line at the end */
        char byte = *(*data)++;

        --*len;
        if (byte != '\n') {
            if (c->n_line < sizeof(c->line) - 1 && byte != '\r')
                c->line[c->n_line++] = byte;
            return false;
        }
        c->line[c->n_line] = '\0';
        if (c->n_line == 0)
            return c->last_chunk;
        c->left = strtoul(c->line, NULL, 16);
        c->last_chunk = c->left == 0;
        c->n_line = 0;
        return false;
    }
    n = *len < c->left ? *len : c->left;
    conn_body(c, *data, n);
    *data += n;
    *len -= n;
    c->left -= n;
    return !c->chunked && c->left == 0;
}

/* True when an answer came to its end. */
static bool conn_read(struct conn *c)
{
    static char buffer[65536];
    bool done = false;

    for (;;) {
        ssize_t n = gnutls_record_recv(c->session, buffer, sizeof(buffer));
        const char *data = buffer;
        size_t len = n > 0 ? (size_t)n : 0;

        if (n == GNUTLS_E_AGAIN)
            return done;
        if (n <= 0 && (n == 0 || gnutls_error_is_fatal((int)n))) {
            fprintf(stderr, "load: the server hung up: %s\n", n < 0 ? gnutls_strerror((int)n) : "");
            exit(1);
        }
        while (len > 0)
            done = conn_take(c, &data, &len) || done;
    }
}

static void note(struct conn *c)
{
    if (load.n_took < LOAD_TOOK_MAX)
        load.took[load.n_took++] = (uint32_t)((now() - c->start) * 1e6);
    if (c->status >= 200 && c->status < 300)
        return;
    if (load.n_failed++ == 0)
        snprintf(load.failure, sizeof(load.failure), "%d %s", c->status, c->said);
}

/* --- runs --- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double percentile(double p)
{
    size_t at = (size_t)((double)load.n_took * p / 100);

    return load.n_took > 0 ? load.took[at < load.n_took ? at : load.n_took - 1] / 1e3 : 0;
}

static void report(double seconds)
{
    struct rusage own;

    getrusage(RUSAGE_SELF, &own);
    qsort(load.took, load.n_took, sizeof(*load.took), by_value);
    for (char *s = load.failure; *s != '\0'; s++)
        *s = *s == '"' || *s == '\\' || (unsigned char)*s < ' ' ? '\'' : *s;
    printf("{\"n\": %zu, \"seconds\": %.4f, \"per_s\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"max_ms\": %.3f, \"bytes\": %zu, \"client_cpu_s\": %.3f, \"failed\": %zu, "
           "\"failure\": \"%s\"}\n",
           load.n_took, seconds, (double)load.n_took / seconds, percentile(50), percentile(99),
           percentile(100), load.n_bytes,
           (double)own.ru_utime.tv_sec + (double)own.ru_utime.tv_usec / 1e6 +
               (double)own.ru_stime.tv_sec + (double)own.ru_stime.tv_usec / 1e6,
           load.n_failed, load.failure);
}

/* Every client asks again as soon as it is answered. */
static void run_closed_loop(void)
{
    bool counted = strcmp(load.mode, "update") == 0 || strcmp(load.mode, "pods") == 0;
    double start = now(), end = counted ? start + 86400 : start + load.amount;
    int busy = load.n_conns;

    for (int i = 0; i < load.n_conns; i++)
        ask(&load.conns[i]);
    while (busy > 0) {
        struct epoll_event events[256];
        int n = epoll_wait(load.epoll, events, 256, 60000);

        if (n == 0)
            die("no answer for a minute");
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (!conn_read(c))
                continue;
            note(c);
            if (now() < end && (!counted || (double)load.n_sent < load.amount))
                ask(c);
            else
                busy--;
        }
    }
    report(now() - start);
}

static void watch_turn(int *ret_ready, uint64_t want, bool *answered)
{
    struct epoll_event events[256];
    int n = epoll_wait(load.epoll, events, 256, 60000);

    if (n == 0)
        die("no event for a minute");
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        uint64_t before = c->events;
        bool was_open = c->in_body;
        bool done = conn_read(c);

        if (c == &load.conns[load.n_conns])
            *answered = *answered || done;
        else if (want == 0 ? !was_open && c->in_body : before < want && c->events >= want)
            ++*ret_ready;
    }
}

static void run_watch(void)
{
    struct conn *writer = &load.conns[load.n_conns];
    char path[512];
    bool answered = false;
    int ready = 0;
    double start;

    snprintf(path, sizeof(path), "%s?watch=1&resourceVersion=", load.path);
    request(writer, "GET", load.path, "", 0); /* where to begin */
    while (!answered)
        watch_turn(&ready, 0, &answered);
    {
        const char *version = strstr(writer->said, "\"resourceVersion\":\"");

        snprintf(path, sizeof(path), "%s?watch=1&resourceVersion=%" PRIu64, load.path,
                 version != NULL ? (uint64_t)strtoull(version + 19, NULL, 10) : 0);
    }
    for (int i = 0; i < load.n_conns; i++)
        request(&load.conns[i], "GET", path, "", 0);
    for (ready = 0; ready < load.n_conns;)
        watch_turn(&ready, 0, &answered);
    start = now();
    load.mode = "create";
    for (uint64_t i = 1; i <= (uint64_t)load.amount; i++) {
        answered = false;
        ask(writer);
        for (ready = 0; ready < load.n_conns || !answered;)
            watch_turn(&ready, i, &answered);
        note(writer);
    }
    report(now() - start);
}

int main(int argc, char **argv)
{
    struct rlimit files;

    if (argc < 8) {
        fprintf(stderr, "usage: load HOST PORT CERT KEY CLIENTS AMOUNT MODE [PATH]\n");
        return 2;
    }
    load.host = argv[1];
    load.port = atoi(argv[2]);
    load.n_conns = atoi(argv[5]);
    load.amount = atof(argv[6]);
    load.mode = argv[7];
    load.path = argc > 8 ? argv[8] : "/";
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (size_t i = 0; i < sizeof(load.padding) - 1; i++)
        load.padding[i] = "the quick brown fox jumps over the lazy dog "[i % 44];
    load.took = calloc(LOAD_TOOK_MAX, sizeof(*load.took));
    load.conns = calloc((size_t)load.n_conns + 1, sizeof(*load.conns));
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    gnutls_certificate_allocate_credentials(&load.creds);
    if (strcmp(argv[3], "-") != 0 &&
        gnutls_certificate_set_x509_key_file(load.creds, argv[3], argv[4], GNUTLS_X509_FMT_PEM) < 0)
        die(argv[3]);
    for (int i = 0; i < load.n_conns + (strcmp(load.mode, "watch") == 0); i++)
        conn_open(&load.conns[i]);
    if (strcmp(load.mode, "watch") == 0)
        run_watch();
    else
        run_closed_loop();
    return 0;
}
