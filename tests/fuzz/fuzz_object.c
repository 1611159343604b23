/* layer: storage */
#include "base/mem.h"
#include "storage/object.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stored bytes may be damaged: whatever they are, loading refuses them or indexes them rightly. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_EMPTY;
    cleanup(object_unrefp) struct object *o = NULL;
    cleanup(object_unrefp) struct object *again = NULL;
    cleanup(json_decrefpp) json_t *tree = NULL;

    if (object_load(&o, "pods", 1, (const char *)data, size, &err) < 0)
        return 0;
    assert(*o->name && o->json_len == size);
    for (size_t i = 0; i < o->n_labels; i++) {
        assert(i == 0 || strcmp(o->labels[i - 1].key, o->labels[i].key) < 0);
        assert(strcmp(object_label(o, o->labels[i].key), o->labels[i].value) == 0);
    }
    for (size_t i = 0; i < o->n_owners; i++)
        assert(object_owned_by(o, o->owners[i].uid));
    tree = object_tree(o);
    again = object_new("pods", 2, tree);
    assert(strcmp(again->name, o->name) == 0 && strcmp(again->ns, o->ns) == 0);
    assert(again->n_labels == o->n_labels && again->n_owners == o->n_owners);
    return 0;
}
