/* layer: api */
/* Bearer tokens: bytes from anybody, before anything is known of who sends them. */
#include "api/token.h"
#include "base/mem.h"
#include "base/tls.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct token_keys *fuzz_keys(void)
{
    static struct token_keys *keys;
    char *pem = NULL;
    struct err err = ERR_EMPTY;

    if (keys == NULL && (tls_key_new(&pem, &err) < 0 || token_keys_new(&keys, pem, NULL, &err) < 0))
        abort();
    free(pem);
    return keys;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strn((const char *)data, size);
    struct token_claims claims = { 0 };
    struct token_join join;
    struct err err = ERR_EMPTY;

    /* Nobody signs with a key that was made a moment ago. */
    if (token_verify(&claims, text, fuzz_keys(), "https://issuer", 0, &err) == 0)
        abort();
    if (token_bootstrap_parse(&join, text) && (strlen(join.id) != 6 || strlen(join.secret) != 16))
        abort();
    free(text);
    return 0;
}
