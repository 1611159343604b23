/* layer: base */
#include "base/list.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>

TEST(mem, strings_are_copied)
{
    cleanup(freep) char *a = mem_str("abc");
    cleanup(freep) char *b = mem_strn("abcdef", 3);
    cleanup(freep) char *c = mem_strn("ab", 10);
    cleanup(freep) char *d = mem_fmt("%s-%d", "x", 7);

    CHECK_STR(a, "abc");
    CHECK_STR(b, "abc");
    CHECK_STR(c, "ab");
    CHECK_STR(d, "x-7");
    CHECK(mem_str(NULL) == NULL);
}

TEST(mem, new_memory_is_zeroed)
{
    cleanup(freep) char *a = mem_array(100, 7);
    cleanup(freep) char *b = mem_zero(0);
    cleanup(freep) char *c = mem_try(64);

    for (int i = 0; i < 700; i++)
        CHECK(a[i] == 0);
    CHECK(b && c && c[63] == 0);
}

TEST(mem, steal_empties_the_owner)
{
    cleanup(freep) char *a = mem_str("abc");
    cleanup(freep) char *b = STEAL(a);

    CHECK(a == NULL);
    CHECK_STR(b, "abc");
}

struct item {
    int n;
    struct list link;
};

TEST(list, splices_and_unlinks)
{
    struct item items[4] = { { .n = 0 }, { .n = 1 }, { .n = 2 }, { .n = 3 } };
    struct list a, b;
    int expected = 0;

    list_init(&a);
    list_init(&b);
    list_splice(&a, &b);
    CHECK(list_empty(&a));
    for (int i = 0; i < 4; i++)
        list_add_tail(i < 2 ? &a : &b, &items[i].link);
    list_splice(&a, &b);
    CHECK(list_empty(&b));
    LIST_EACH (it, &a) {
        CHECK_INT(list_entry(it, struct item, link)->n, expected++);
    }
    LIST_EACH_SAFE (it, &a) {
        if (list_entry(it, struct item, link)->n % 2)
            list_del(it);
    }
    list_del(&items[1].link);
    CHECK(a.next == &items[0].link && a.next->next == &items[2].link && a.prev == a.next->next);
}
