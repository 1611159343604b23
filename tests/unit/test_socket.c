/* layer: base */
#include "base/socket.h"

#include "tests/lib/test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    CHECK(getsockopt(fd, level, name, &value, &len) == 0);
    return value;
}

TEST(socket, silent_peers_are_asked)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK_INT(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    socket_keep_alive(fd);
    CHECK_INT(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_INT(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
                  option(fd, IPPROTO_TCP, TCP_KEEPINTVL) * option(fd, IPPROTO_TCP, TCP_KEEPCNT),
              120);
    close(fd);
}

TEST(socket, small_writes_leave_at_once)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK_INT(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    socket_no_delay(fd);
    CHECK(option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    close(fd);
}
