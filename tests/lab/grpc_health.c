/* grpc_health: a server of grpc.health.v1.Health/Check for the tests, all of HTTP/2 that this takes.
 *
 * grpc_health PORT: SERVING as long as /unhealthy does not exist, whatever service is asked for.
 * RFC 9113 for the frames; header blocks are answered with, never decoded.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
#define PREFACE     24
#define PAYLOAD_MAX 16384

static void put(int fd, int type, int flags, uint32_t stream, const void *data, size_t len)
{
    unsigned char frame[9 + 64] = { 0, (unsigned char)(len >> 8), (unsigned char)len,
                                    (unsigned char)type, (unsigned char)flags };

    stream = htonl(stream);
    memcpy(frame + 5, &stream, 4);
    memcpy(frame + 9, data, len);
    if (write(fd, frame, 9 + len) < 0)
        exit(1);
}

static void get(int fd, void *to, size_t len)
{
    char *p = to;

    while (len > 0) {
        ssize_t n = read(fd, p, len);

        if (n <= 0)
            exit(0);
        p += n;
        len -= (size_t)n;
    }
}

static void answer(int fd, uint32_t stream)
{
    static const char head[] = "\x88\x5f\x10"
                               "application/grpc"; /* :status 200, content-type */
    static const char trailer[] = "\0\x0bgrpc-status\1"
                                  "0";
    char message[] = "\0\0\0\0\2\x08\1";

    if (access("/unhealthy", F_OK) == 0)
        message[6] = 2;
    put(fd, HEADERS, END_HEADERS, stream, head, sizeof(head) - 1);
    put(fd, DATA, 0, stream, message, 7);
    put(fd, HEADERS, END_HEADERS | END_STREAM, stream, trailer, sizeof(trailer) - 1);
}

static void serve(int fd)
{
    unsigned char frame[9], payload[PAYLOAD_MAX];

    get(fd, payload, PREFACE);
    put(fd, SETTINGS, 0, 0, "", 0);
    for (;;) {
        size_t len;
        uint32_t stream;

        get(fd, frame, sizeof(frame));
        len = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
        if (len > sizeof(payload))
            exit(1);
        get(fd, payload, len);
        memcpy(&stream, frame + 5, 4);
        if (frame[3] == SETTINGS && !(frame[4] & ACK))
            put(fd, SETTINGS, ACK, 0, "", 0);
        else if (frame[3] == PING && !(frame[4] & ACK))
            put(fd, PING, ACK, 0, payload, len);
        else if ((frame[3] == HEADERS || frame[3] == DATA) && (frame[4] & END_STREAM))
            answer(fd, ntohl(stream));
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "9090")) };
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0), fd;

    signal(SIGCHLD, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 16) < 0)
        return 1;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (fork() == 0)
            serve(fd);
        close(fd);
    }
    return 0;
}
