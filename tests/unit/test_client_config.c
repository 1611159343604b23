/* layer: api */
#include "api/client.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>

static void write_file(const char *name, const char *text)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(file_write_fast(test_path(name), text, strlen(text), 0600, &err), 0);
}

TEST(client_config, survives_printing)
{
    struct client_config c = {
        .server = mem_str("https://10.0.0.1:6443"),
        .ca_pem = mem_str("the CA\n"),
        .cert_pem = mem_str("cert\n"),
        .key_pem = mem_str("key\n"),
        .ns = mem_str("work"),
    };
    struct client_config back;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    client_config_print(&t, &c, "edge");
    write_file("config", text_str(&t));
    CHECK_INT(client_config_load(&back, test_path("config"), &err), 0);
    CHECK_STR(back.server, c.server);
    CHECK_STR(back.ca_pem, c.ca_pem);
    CHECK_STR(back.cert_pem, c.cert_pem);
    CHECK_STR(back.key_pem, c.key_pem);
    CHECK_STR(back.ns, "work");
    CHECK(back.token == NULL);
    client_config_fini(&back);
    client_config_fini(&c);
}

TEST(client_config, reads_files_beside_it_and_the_current_context)
{
    struct client_config c;
    struct err err = ERR_EMPTY;

    write_file("ca.pem", "the CA\n");
    write_file("config",
               "current-context: b\n"
               "contexts:\n"
               "- {name: a, context: {cluster: x, user: u}}\n"
               "- {name: b, context: {cluster: z, user: v}}\n"
               "clusters:\n"
               "- {name: x, cluster: {server: 'https://x'}}\n"
               "- {name: z, cluster: {server: 'https://z', certificate-authority: ca.pem}}\n"
               "users:\n"
               "- {name: v, user: {token: secret}}\n");
    CHECK_INT(client_config_load(&c, test_path("config"), &err), 0);
    CHECK_STR(c.server, "https://z");
    CHECK_STR(c.ca_pem, "the CA\n");
    CHECK_STR(c.token, "secret");
    CHECK(c.ns == NULL);
    client_config_fini(&c);
}

TEST(client_config, says_what_is_wrong)
{
    static const char *const bad[] = {
        "",
        "[]",
        "current-context: nope\n",
        "current-context: a\ncontexts:\n- {name: a, context: {cluster: x}}\n",
        "current-context: a\ncontexts:\n- {name: a, context: {cluster: x}}\n"
        "clusters:\n- {name: x, cluster: {server: 's', certificate-authority-data: '!!'}}\n",
        "current-context: a\ncontexts:\n- {name: a, context: {cluster: x}}\n"
        "clusters:\n- {name: x, cluster: {server: 's', certificate-authority: missing.pem}}\n",
        "\t: {",
    };
    struct client_config c;

    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        struct err err = ERR_EMPTY;

        write_file("config", bad[i]);
        CHECK(client_config_load(&c, test_path("config"), &err) < 0);
        CHECK(err.text[0] != '\0');
        CHECK(c.server == NULL);
    }
    {
        struct err err = ERR_EMPTY;

        CHECK_INT(client_config_load(&c, test_path("none"), &err), ERR_NOT_FOUND);
    }
}
