/* layer: base */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <string.h>

/* Sends stderr to a file; what was logged there meanwhile is read back. */
static int capture_begin(void)
{
    int saved = dup(STDERR_FILENO);
    int fd = open(test_path("log"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(saved >= 0 && fd >= 0);
    dup2(fd, STDERR_FILENO);
    close(fd);
    return saved;
}

static char *capture_end(int saved)
{
    struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    dup2(saved, STDERR_FILENO);
    close(saved);
    CHECK_INT(file_read(&t, test_path("log"), 100000, &err), 0);
    return text_take(&t);
}

/* The line without its time. */
static const char *after_time(const char *line)
{
    CHECK(strlen(line) > 28 && line[10] == 'T' && line[26] == 'Z' && line[27] == ' ');
    return line + 28;
}

TEST(log, values_are_quoted_when_they_need_it)
{
    struct err err = { .code = ERR_IO, .text = "read: \"x\"\nfailed" };
    int saved = capture_begin();
    cleanup(freep) char *got = NULL;

    log_warn("pod start failed", KV("pod", "%s", "web-1"), KV("try", "%u", 3u),
             KV("none", "%s", ""), KV("pair", "%s", "a=b"), KV("bell", "%s", "\a"), KV_ERR(&err));
    got = capture_end(saved);
    CHECK_STR(after_time(got), "warn pod start failed pod=web-1 try=3 none=\"\" pair=\"a=b\" "
                               "bell=\"\\x07\" err=\"read: \\\"x\\\"\\nfailed\"\n");
}

TEST(log, levels_below_are_silent)
{
    struct err err = ERR_EMPTY;
    int saved = capture_begin();
    cleanup(freep) char *got = NULL;

    log_debug("unheard");
    log_info("heard");
    CHECK_INT(log_set_level("error", &err), 0);
    log_warn("unheard", KV("a", "%d", 1));
    CHECK_INT(log_set_level("info", &err), 0);
    got = capture_end(saved);
    CHECK_STR(after_time(got), "info heard\n");
}

TEST(log, long_lines_are_cut_and_end)
{
    int saved = capture_begin();
    cleanup(freep) char *got = NULL;
    char big[300];

    memset(big, '\n', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    log_info("big", KV("a", "%s", big), KV("b", "%s", big), KV("c", "%s", big), KV("d", "%s", big),
             KV("e", "%s", big), KV("f", "%s", big), KV("g", "%s", big), KV("h", "%s", big),
             KV("i", "%s", big));
    got = capture_end(saved);
    CHECK_INT(strlen(got), 4096);
    CHECK(got[4095] == '\n' && strchr(got, '\n') == got + 4095);
}

TEST(log, unknown_levels_are_refused)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(log_set_level("loud", &err), ERR_INVALID);
    CHECK_STR(err.text, "log level \"loud\" is not debug, info, warn or error");
    CHECK_INT(log_set_level(NULL, &err), ERR_INVALID);
    CHECK(log_wants(LOG_INFO) && !log_wants(LOG_DEBUG));
}
