/* layer: api */
#include "api/decode.h"
#include "api/protobuf.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bodies that kubectl 1.32 sent (create, auth, create token), beside what it prints for the same
 * command with --dry-run=client -o json, nulls left out. */
#define PROTOBUF_DATA "tests/unit/data/protobuf"

static void unhex(struct text *ret, const char *hex)
{
    unsigned byte;

    for (; *hex != '\0'; hex += 2) {
        while (isspace((unsigned char)*hex))
            hex++;
        if (*hex == '\0')
            return;
        CHECK(sscanf(hex, "%2x", &byte) == 1);
        text_putc(ret, (char)byte);
    }
}

static char *fixture(const char *name, const char *end)
{
    cleanup(freep) char *path = mem_fmt(PROTOBUF_DATA "/%s%s", name, end);
    FILE *f = fopen(path, "re");
    char buf[4096];
    struct text t = TEXT_EMPTY;
    size_t n;

    CHECK(f != NULL);
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        text_add(&t, buf, n);
    fclose(f);
    return text_take(&t);
}

static int decode_hex(json_t **ret, const char *hex, struct err *err)
{
    cleanup(text_fini) struct text raw = TEXT_EMPTY;

    unhex(&raw, hex);
    return decode_protobuf(ret, raw.data, raw.len, err);
}

static void check_hex(const char *hex, const char *want)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(freep) char *have = NULL;
    struct err err = ERR_EMPTY;

    if (decode_hex(&tree, hex, &err) < 0) {
        CHECK_STR(err.text, want);
        return;
    }
    have = json_print(tree, NULL);
    CHECK_STR(have, want);
}

static void check_fixture(const char *name)
{
    cleanup(freep) char *hex = fixture(name, ".hex"), *json = fixture(name, ".json");
    cleanup(json_decrefpp) json_t *have = NULL, *want = NULL;
    cleanup(freep) char *have_text = NULL, *want_text = NULL;
    struct err err = ERR_EMPTY;

    CHECK(json_parse(&want, json, strlen(json), NULL, &err) == 0);
    CHECK_INT(decode_hex(&have, hex, &err), 0);
    have_text = json_print_sorted(have, NULL);
    want_text = json_print_sorted(want, NULL);
    CHECK_STR(have_text, want_text);
}

TEST(protobuf, reads_what_kubectl_sends)
{
    DIR *dir = opendir(PROTOBUF_DATA);
    struct dirent *entry;
    int n = 0;

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        char *end = strstr(entry->d_name, ".hex");

        if (end == NULL)
            continue;
        *end = '\0';
        check_fixture(entry->d_name);
        n++;
    }
    closedir(dir);
    CHECK(n >= 28);
}

TEST(protobuf, refuses_what_is_no_envelope)
{
    check_hex("7b7d", "provided data does not appear to be a protobuf message, expected prefix "
                      "[107 56 115 0]");
    check_hex("6b387300", "no kind \"\" is registered for version \"\"");
    check_hex("6b387300 0a06 0a0176 120150", "no kind \"P\" is registered for version \"v\"");
    check_hex("6b387300 0a7f", "proto: unexpected EOF");
    check_hex("6b387300 1a01 78", "proto: the envelope holds no plain protobuf");
}

/* An envelope of v1 ConfigMap around @body. */
static void check_config_map(const char *body, const char *want)
{
    cleanup(freep) char *hex = mem_fmt("6b387300 0a0f 0a027631 1209 436f6e6669674d6170 12%02x %s",
                                       (unsigned)strlen(body) / 2, body);

    check_hex(hex, want);
}

TEST(protobuf, reads_maps_with_missing_parts_and_skips_the_unknown)
{
    check_config_map("", "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\"}");
    check_config_map("12030a0161", "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"data\":{"
                                   "\"a\":\"\"}}");
    check_config_map("a00601", "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\"}");
    check_config_map("2000", "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"immutable\":false}");
}

TEST(protobuf, refuses_malformed_messages)
{
    check_config_map("12", "proto: unexpected EOF");
    check_config_map("1205", "proto: unexpected EOF");
    check_config_map("07", "proto: illegal tag");
    check_config_map("0b", "proto: illegal wireType 3");
    check_config_map("1000", "proto: wrong wireType for field data");
    check_config_map("2202ffff", "proto: wrong wireType for field immutable");
    check_config_map("12060a016112"
                     "01ff",
                     "proto: a string holds invalid UTF-8");
    check_config_map("20ffffffffffffffffffff01", "proto: integer overflow");
}

TEST(protobuf, bounds_values_by_the_size_of_the_body)
{
    cleanup(text_fini) struct text raw = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct err err = ERR_EMPTY;
    const size_t n = 400000; /* empty entries of data, two bytes each */

    unhex(&raw, "6b387300 0a0f 0a027631 1209 436f6e6669674d6170 1280ea30");
    for (size_t i = 0; i < n; i++)
        text_add(&raw, "\x12\x00", 2);
    CHECK_INT(decode_protobuf(&tree, raw.data, raw.len, &err), ERR_LIMIT);
}
