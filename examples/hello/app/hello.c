/* hello: a web page that counts its visits in Redis and says which pod served it.
 *
 *   GET /         the page         GET /json     the same facts for programs
 *   GET /slow     the page, after a second: to watch that an update drops no request
 *   GET /healthz  200 while the process works; GET /readyz 200 until it is asked to end
 *
 * One thread per connection, a bounded number of them.  SIGTERM ends it in order: it stops accepting,
 * finishes the requests it has, closes idle connections and exits with 0.
 * Reads POD_NAME, NODE_NAME, POD_NAMESPACE, DB_HOST ("" = no database), DB_PORT, PORT.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 200,
    MAX_HEAD = 8192,
    MAX_BODY = 4096,
    IDLE_MS = 60000,      /* an unused connection is kept for so long */
    DRAIN_IDLE_MS = 1000, /* and for so long once we end: a request may be on its way */
    DB_TIMEOUT_S = 1,
};

struct app {
    const char *pod, *node, *namespace, *db_host, *db_port;
    int draining; /* eventfd: readable from SIGTERM on */
    sem_t slots;  /* connections that may still be opened */
};

struct connection {
    struct app *app;
    int fd;
    size_t n_head; /* bytes in head */
    char head[MAX_HEAD + 1];
};

struct request {
    char method[8], path[256];
    bool keep_alive;
};

static const char *env_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value != NULL ? value : otherwise;
}

static bool app_is_draining(const struct app *app)
{
    struct pollfd p = { .fd = app->draining, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

/* --- the database ------------------------------------------------------------------------------------------ */

static int db_connect(const struct app *app)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    struct timeval limit = { .tv_sec = DB_TIMEOUT_S };
    int fd = -1;

    if (getaddrinfo(app->db_host, app->db_port, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
                   sizeof(limit)); /* bounds connect too: socket(7) */
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* Counts one visit.  Returns the new count, or -1 when the database does not answer. */
static long long db_count_visit(const struct app *app)
{
    static const char incr[] = "*2\r\n$4\r\nINCR\r\n$4\r\nhits\r\n"; /* RESP, as Redis speaks it */
    char answer[64];
    size_t n = 0;
    ssize_t got;
    int fd;

    if (app->db_host[0] == '\0' || (fd = db_connect(app)) < 0)
        return -1;
    if (send(fd, incr, sizeof(incr) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(incr) - 1) {
        while (n < sizeof(answer) - 1 && memchr(answer, '\n', n) == NULL) {
            got = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
            if (got <= 0)
                break;
            n += (size_t)got;
        }
    }
    close(fd);
    answer[n] = '\0';
    return answer[0] == ':' && memchr(answer, '\n', n) != NULL ? atoll(answer + 1) : -1;
}

/* --- what is served ---------------------------------------------------------------------------------------- */

static int page_html(const struct app *app, char *out)
{
    char visits[64] = "the database does not answer";
    long long hits = db_count_visit(app);

    if (hits >= 0)
        snprintf(visits, sizeof(visits), "%lld", hits);
    snprintf(
        out, MAX_BODY,
        "<!doctype html><html lang=en><meta charset=utf-8><title>hello</title>\n"
        "<style>body{font:1.2em system-ui;max-width:30em;margin:4em auto;color:#234}"
        "td{padding:.2em 1em .2em 0}td+td{font-weight:600}</style>\n"
        "<h1>Hello from mkube</h1>\n<table>\n"
        "<tr><td>pod<td>%s\n<tr><td>node<td>%s\n<tr><td>namespace<td>%s\n<tr><td>visits<td>%s\n"
        "</table></html>\n",
        app->pod, app->node, app->namespace, visits);
    return 200;
}

static int page_slow(const struct app *app, char *out)
{
    const struct timespec second = { .tv_sec = 1 };

    nanosleep(&second, NULL);
    return page_html(app, out);
}

static int page_json(const struct app *app, char *out)
{
    char hits_text[24] = "null";
    long long hits = db_count_visit(app);

    if (hits >= 0)
        snprintf(hits_text, sizeof(hits_text), "%lld", hits);
    snprintf(out, MAX_BODY, "{\"pod\":\"%s\",\"node\":\"%s\",\"namespace\":\"%s\",\"hits\":%s}\n",
             app->pod, app->node, app->namespace, hits_text);
    return 200;
}

static int page_healthz(const struct app *app, char *out)
{
    (void)app;
    snprintf(out, MAX_BODY, "ok\n");
    return 200;
}

static int page_readyz(const struct app *app, char *out)
{
    bool ending = app_is_draining(app);

    snprintf(out, MAX_BODY, ending ? "ending\n" : "ok\n");
    return ending ? 503 : 200;
}

static const struct route {
    const char *path, *type;
    int (*serve)(const struct app *app,
                 char *out); /* @out: MAX_BODY bytes; returns the HTTP status */
    bool quiet;              /* probes are not worth a line of log each */
} routes[] = {
    { .path = "/", .type = "text/html; charset=utf-8", .serve = page_html },
    { .path = "/slow", .type = "text/html; charset=utf-8", .serve = page_slow },
    { .path = "/json", .type = "application/json", .serve = page_json },
    { .path = "/healthz", .type = "text/plain", .serve = page_healthz, .quiet = true },
    { .path = "/readyz", .type = "text/plain", .serve = page_readyz, .quiet = true },
};

static const char *status_text(int status)
{
    return status == 200   ? "OK"
           : status == 404 ? "Not Found"
           : status == 405 ? "Method Not Allowed"
           : status == 503 ? "Service Unavailable"
                           : "Bad Request";
}

/* --- one connection ---------------------------------------------------------------------------------------- */

static bool send_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        data += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* Waits until there is something to read.  False: the connection has been idle for long enough. */
static bool connection_wait(struct connection *c)
{
    struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN },
                           { .fd = c->app->draining, .events = POLLIN } };

    if (poll(p, 2, IDLE_MS) <= 0)
        return false;
    return p[0].revents != 0 || poll(p, 1, DRAIN_IDLE_MS) == 1;
}

/* Reads until a whole head is there.  Returns its length, or 0: closed, too long, or idle. */
static size_t connection_read_head(struct connection *c)
{
    for (;;) {
        char *end;
        ssize_t got;

        c->head[c->n_head] = '\0';
        end = strstr(c->head, "\r\n\r\n");
        if (end != NULL)
            return (size_t)(end + 4 - c->head);
        if (c->n_head == MAX_HEAD || !connection_wait(c))
            return 0;
        got = recv(c->fd, c->head + c->n_head, MAX_HEAD - c->n_head, 0);
        if (got <= 0)
            return 0;
        c->n_head += (size_t)got;
    }
}

static bool request_parse(struct request *r, const char *head)
{
    char version[16];
    const char *connection = strcasestr(head, "\r\nConnection:");

    if (sscanf(head, "%7s %255[^ ?]%*[^ ] %15[^\r]", r->method, r->path, version) != 3 &&
        sscanf(head, "%7s %255[^ ?] %15[^\r]", r->method, r->path, version) != 3)
        return false;
    r->keep_alive = strcmp(version, "HTTP/1.1") == 0;
    if (connection != NULL)
        r->keep_alive = strncasecmp(connection + 13, " close", 6) != 0;
    return true;
}

/* Answers one request.  Returns whether the connection goes on. */
static bool connection_answer(struct connection *c, const struct request *r)
{
    bool is_head = strcmp(r->method, "HEAD") == 0;
    const struct route *route = NULL;
    char body[MAX_BODY] = "not here\n", answer[MAX_BODY + 512];
    int status = 404, n;
    bool keep;

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(routes[i].path, r->path) == 0)
            route = &routes[i];
    if (!is_head && strcmp(r->method, "GET") != 0) {
        status = 405;
        strcpy(body, "GET or HEAD\n");
    } else if (route != NULL) {
        status = route->serve(c->app, body);
    }
    /* A request with a body is not read to its end, so nothing after it can be. */
    keep = r->keep_alive && status != 405 && !app_is_draining(c->app);
    n = snprintf(answer, sizeof(answer),
                 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nX-Pod: %s\r\n"
                 "Cache-Control: no-store\r\nConnection: %s\r\n\r\n%s",
                 status, status_text(status), route != NULL ? route->type : "text/plain",
                 strlen(body), c->app->pod, keep ? "keep-alive" : "close", is_head ? "" : body);
    if (route == NULL || !route->quiet)
        printf("%s %s %d\n", r->method, r->path, status);
    return send_all(c->fd, answer, (size_t)n) && keep;
}

static void *connection_main(void *arg)
{
    struct connection *c = arg;
    struct request r;
    bool goes_on = true;

    while (goes_on) {
        size_t n = connection_read_head(c);

        if (n == 0 || !request_parse(&r, c->head))
            break;
        memmove(c->head, c->head + n, c->n_head - n);
        c->n_head -= n;
        goes_on = connection_answer(c, &r);
    }
    shutdown(c->fd, SHUT_WR);
    close(c->fd);
    sem_post(&c->app->slots); /* last: at the end main waits for all slots */
    free(c);
    return NULL;
}

/* --- the whole --------------------------------------------------------------------------------------------- */

static int listen_on(int port)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int on = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 128) == 0)
            return fd;
        close(fd);
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* a kernel without IPv6 */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&any4, sizeof(any4)) == 0 && listen(fd, 128) == 0)
        return fd;
    perror("hello: listen");
    exit(1);
}

static void app_accept(struct app *app, int listener)
{
    struct connection *c = malloc(sizeof(*c));
    pthread_t thread;

    if (c == NULL)
        abort();
    sem_wait(&app->slots);
    c->app = app;
    c->n_head = 0;
    c->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (c->fd >= 0 && pthread_create(&thread, NULL, connection_main, c) == 0) {
        pthread_detach(thread);
        return;
    }
    if (c->fd >= 0)
        close(c->fd);
    free(c);
    sem_post(&app->slots);
}

int main(void)
{
    struct app app = {
        .pod = env_or("POD_NAME", "?"),
        .node = env_or("NODE_NAME", "?"),
        .namespace = env_or("POD_NAMESPACE", "?"),
        .db_host = env_or("DB_HOST", ""),
        .db_port = env_or("DB_PORT", "6379"),
        .draining = eventfd(0, EFD_CLOEXEC),
    };
    struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
    sigset_t ending;

    setenv("RES_OPTIONS", "timeout:1 attempts:2",
           0); /* resolv.conf(5): a page must not wait for long */
    setvbuf(stdout, NULL, _IOLBF, 0);
    sem_init(&app.slots, 0, MAX_CONNECTIONS);
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending,
                    NULL); /* threads inherit it: only the signalfd hears of these */
    p[0].fd = listen_on(atoi(env_or("PORT", "8080")));
    p[1].fd = signalfd(-1, &ending, SFD_CLOEXEC);
    printf("hello: pod %s on node %s serves\n", app.pod, app.node);

    while (poll(p, 2, -1) >= 0 && p[1].revents == 0)
        if (p[0].revents != 0)
            app_accept(&app, p[0].fd);

    printf("hello: ending\n");
    eventfd_write(app.draining, 1);
    while (poll(p, 1, 0) == 1 &&
           p[0].revents != 0) /* who has been let in by the kernel is served */
        app_accept(&app, p[0].fd);
    close(p[0].fd);
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        sem_wait(&app.slots);
    printf("hello: all requests are answered\n");
    return 0;
}
