/* layer: storage */
#include "storage/seal.h"

#include "base/file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key file of any bytes, and a record of any bytes under a good key: refused with a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct seal_place place = { 'o', "secrets", "default", "db", 7 };
    static char path[] = "/tmp/fuzz-seal-XXXXXX";
    static struct seal *good;
    struct text open = TEXT_EMPTY;
    struct seal *s = NULL;
    struct err err = ERR_EMPTY;

    if (good == NULL) {
        close(mkstemp(path));
        unlink(path);
        if (seal_new(&good, path, &err) < 0 || seal_ensure(good, &err) < 0)
            abort();
    }
    if (file_write_fast(path, data, size, 0600, &err) < 0)
        abort();
    if (seal_new(&s, path, &err) < 0)
        assert(err.text[0] != '\0');
    seal_free(s);
    assert(!seal_is_current(good, data, size) || size >= 12);
    if (seal_open(good, &open, &place, data, size, &err) == 0)
        abort();
    text_fini(&open);
    unlink(path);
    return 0;
}
