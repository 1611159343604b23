/* layer: nodeagent */
/* What is accepted prints, parses again to the same, and holds nothing that a URL or path minds. */
#include "nodeagent/image_ref.h"

#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(freep) char *ref = mem_strn((const char *)data, size);
    cleanup(text_fini) struct text once = TEXT_EMPTY;
    cleanup(text_fini) struct text twice = TEXT_EMPTY;
    struct image_name n;
    struct err err = ERR_EMPTY;

    if (image_name_parse(&n, ref, &err) < 0)
        return 0;
    image_name_print(&once, &n);
    for (const char *s = text_str(&once); *s != '\0'; s++)
        assert(*s > ' ' && *s < 0x7f && strchr("?#\\%\"'", *s) == NULL);
    assert(strstr(n.path, "..") == NULL && n.path[0] != '/');
    if (once.len >= IMAGE_REF_MAX)
        return 0;
    assert(image_name_parse(&n, text_str(&once), &err) == 0);
    image_name_print(&twice, &n);
    assert(strcmp(text_str(&once), text_str(&twice)) == 0);
    return 0;
}
