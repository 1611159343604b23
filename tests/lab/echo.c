/* echo: an HTTP/1.1 backend that answers with what it was asked, for tests of the entry.
 *
 * The answer's body is the request: start line, fields, an empty line, body; X-Pod says who
 * answered, and an Access-Control-Allow-Origin of its own shows who has the last word.
 *   GET /stream   five pieces, half a second apart, chunked
 *   Upgrade: x    101, then every byte comes back
 * One thread per connection.  Reads POD_NAME and PORT (8080).
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_HEAD = 64 * 1024, MAX_BODY = 16 * 1024 * 1024 };

struct connection {
    int fd;
    size_t len; /* bytes in head: a head and what came behind it */
    char head[MAX_HEAD + 1];
};

static bool say(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads a whole head; its length with the empty line, 0: the end. */
static size_t read_head(struct connection *c)
{
    for (;;) {
        char *end = memmem(c->head, c->len, "\r\n\r\n", 4);
        ssize_t n;

        if (end != NULL)
            return (size_t)(end + 4 - c->head);
        if (c->len == MAX_HEAD)
            return 0;
        n = recv(c->fd, c->head + c->len, MAX_HEAD - c->len, 0);
        if (n <= 0)
            return 0;
        c->len += (size_t)n;
    }
}

/* Moves @n bytes of the body to @to (NULL: nowhere). */
static bool take(struct connection *c, char *to, size_t n)
{
    size_t have = n < c->len ? n : c->len;

    if (to != NULL)
        memcpy(to, c->head, have);
    memmove(c->head, c->head + have, c->len - have);
    c->len -= have;
    while (have < n) {
        char waste[4096];
        size_t want = to != NULL || n - have < sizeof(waste) ? n - have : sizeof(waste);
        ssize_t got = recv(c->fd, to != NULL ? to + have : waste, want, 0);

        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static bool take_chunks(struct connection *c, char *to, size_t *ret_len)
{
    for (;;) {
        char line[32] = "", end[2];
        size_t n = 0, size;

        while (n < sizeof(line) - 1 && (n == 0 || line[n - 1] != '\n'))
            if (!take(c, line + n++, 1))
                return false;
        size = strtoul(line, NULL, 16);
        if (size > MAX_BODY - *ret_len || !take(c, to + *ret_len, size) || !take(c, end, 2))
            return false;
        *ret_len += size;
        if (size == 0)
            return true;
    }
}

static void tunnel(struct connection *c)
{
    static const char hello[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                "Upgrade: websocket\r\n\r\n";
    ssize_t n;

    say(c->fd, hello, sizeof(hello) - 1);
    say(c->fd, c->head, c->len);
    while ((n = recv(c->fd, c->head, MAX_HEAD, 0)) > 0 && say(c->fd, c->head, (size_t)n))
        ;
}

static bool stream(int fd)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    bool well = say(fd, head, sizeof(head) - 1);

    for (unsigned i = 0; well && i < 5; i++) {
        well = say(fd, "6\r\npiece\n\r\n", 11);
        usleep(500000);
    }
    return well && say(fd, "0\r\n\r\n", 5);
}

static bool answer(struct connection *c, size_t n_head)
{
    char *head = strndup(c->head, n_head), *body = malloc(MAX_BODY), reply[300];
    const char *length = strcasestr(head, "\r\ncontent-length: "), *pod = getenv("POD_NAME");
    size_t n_body = length != NULL ? strtoul(length + 18, NULL, 10) : 0;
    size_t kept = n_body <= MAX_BODY ? n_body : 0;
    bool well = true;

    memmove(c->head, c->head + n_head, c->len - n_head);
    c->len -= n_head;
    if (strcasestr(head, "\r\nupgrade: ") != NULL) {
        tunnel(c);
        well = false;
    } else if (strncmp(head, "GET /stream", 11) == 0) {
        well = stream(c->fd);
    } else {
        if (strcasestr(head, "\r\ntransfer-encoding: chunked") != NULL)
            well = take_chunks(c, body, &kept);
        else
            well = take(c, kept == n_body ? body : NULL, n_body);
        snprintf(reply, sizeof(reply),
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                 "X-Pod: %s\r\nX-Body: %zu\r\nAccess-Control-Allow-Origin: backend\r\n\r\n",
                 strncmp(head, "HEAD", 4) == 0 ? 0 : n_head + kept, pod != NULL ? pod : "", n_body);
        well = well && say(c->fd, reply, strlen(reply));
        if (strncmp(head, "HEAD", 4) != 0)
            well = well && say(c->fd, head, n_head) && say(c->fd, body, kept);
    }
    free(head);
    free(body);
    return well;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    size_t n;

    while ((n = read_head(c)) > 0 && answer(c, n))
        ;
    close(c->fd);
    free(c);
    return NULL;
}

static void on_end(int signum)
{
    (void)signum;
    _exit(0);
}

int main(void)
{
    const char *port = getenv("PORT");
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)(port != NULL ? atoi(port) : 8080)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, client;

    signal(SIGTERM, on_end);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 128) < 0) {
        perror("echo");
        return 1;
    }
    while ((client = accept(fd, NULL, NULL)) >= 0) {
        struct connection *c = calloc(1, sizeof(*c));
        pthread_t thread;

        if (c == NULL)
            abort();
        c->fd = client;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (pthread_create(&thread, NULL, serve, c) == 0)
            pthread_detach(thread);
        else
            serve(c);
    }
    return 1;
}
