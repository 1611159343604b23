/* layer: nodeagent */
#include "base/mem.h"
#include "nodeagent/channels.h"
#include "nodeagent/exec_process.h"
#include "tests/lib/test.h"

TEST(channels, the_clients_first_known_protocol_is_chosen)
{
    CHECK_STR(channels_choose(true, "v5.channel.k8s.io"), "v5.channel.k8s.io");
    CHECK_STR(channels_choose(true, "x, v4.channel.k8s.io , channel.k8s.io"), "v4.channel.k8s.io");
    CHECK_STR(channels_choose(true, ""), "");
    CHECK(channels_choose(true, "v4.channel.k8s.ioo") == NULL);
    CHECK(channels_choose(true, "v4.base64.channel.k8s.io") == NULL);
    /* kubectl 1.32 over SPDY; v5 is for WebSockets only */
    CHECK_STR(channels_choose(false, "v5.channel.k8s.io, v4.channel.k8s.io, v3.channel.k8s.io"),
              "v4.channel.k8s.io");
    CHECK(channels_choose(false, "") == NULL);
}

TEST(channels, a_status_says_how_a_program_ended)
{
    cleanup(json_decrefpp) json_t *good = exec_process_status(0), *bad = exec_process_status(7);
    cleanup(freep) char *good_text = json_print(good, NULL), *bad_text = json_print(bad, NULL);

    CHECK_STR(good_text, "{\"metadata\":{},\"status\":\"Success\"}");
    CHECK_STR(bad_text, "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated "
                        "with non-zero exit code: exit status 7\",\"reason\":\"NonZeroExitCode\","
                        "\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"7\"}]}}");
}

TEST(channels, a_program_gets_all_that_the_container_has)
{
    static const char config[] =
        "{\"process\":{\"terminal\":true,\"args\":[\"old\"],\"env\":[\"A=1\"],"
        "\"cwd\":\"/w\",\"user\":{\"uid\":5}}}";
    const char *const argv[] = { "ls", "-l", NULL };
    struct err err = ERR_EMPTY;
    cleanup(json_decrefpp) json_t *tree = NULL, *plain = NULL, *tty = NULL;
    cleanup(freep) char *plain_text = NULL, *tty_text = NULL;

    CHECK_INT(json_parse(&tree, config, sizeof(config) - 1, NULL, &err), 0);
    plain = exec_process(tree, argv, false);
    tty = exec_process(tree, argv, true);
    plain_text = json_print(plain, NULL);
    tty_text = json_print(tty, NULL);
    CHECK_STR(plain_text,
              "{\"terminal\":false,\"args\":[\"ls\",\"-l\"],\"env\":[\"A=1\"],\"cwd\":\"/w\","
              "\"user\":{\"uid\":5}}");
    CHECK_STR(tty_text,
              "{\"terminal\":true,\"args\":[\"ls\",\"-l\"],\"env\":[\"A=1\",\"TERM=xterm\"],"
              "\"cwd\":\"/w\",\"user\":{\"uid\":5}}");
}
