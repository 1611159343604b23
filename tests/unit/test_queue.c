/* layer: controlplane */
#include "controlplane/queue.h"
#include "tests/lib/test.h"

TEST(queue, gives_each_key_once_in_order_of_arrival)
{
    struct queue *q = queue_new();
    struct queue_item *a, *b;

    queue_add(q, "ns", "a");
    queue_add(q, "", "b");
    queue_add(q, "ns", "a");
    a = queue_pop(q, 0);
    b = queue_pop(q, 0);
    CHECK_STR(a->ns, "ns");
    CHECK_STR(a->name, "a");
    CHECK_STR(b->ns, "");
    CHECK_STR(b->name, "b");
    CHECK(queue_pop(q, 0) == NULL);
    queue_finish(q, a, -1);
    queue_finish(q, b, -1);
    CHECK_INT(queue_len(q), 0);
    queue_free(q);
}

TEST(queue, a_key_added_while_busy_comes_again)
{
    struct queue *q = queue_new();
    struct queue_item *a;

    queue_add(q, "ns", "a");
    a = queue_pop(q, 0);
    queue_add(q, "ns", "a");
    CHECK(queue_pop(q, 0) == NULL);
    queue_finish(q, a, -1);
    a = queue_pop(q, 0);
    CHECK(a != NULL);
    queue_finish(q, a, -1);
    CHECK(!queue_is_ready(q, 0));
    queue_free(q);
}

TEST(queue, waiting_keys_come_when_due_or_when_added)
{
    struct queue *q = queue_new();
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    static const int64_t due[] = { 50, 10, 40, 20, 30 };

    for (size_t i = 0; i < 5; i++)
        queue_add(q, "", names[i]);
    for (size_t i = 0; i < 5; i++)
        queue_finish(q, queue_pop(q, 0), due[i]);
    CHECK_INT(queue_next_due(q), 10);
    CHECK(queue_pop(q, 9) == NULL);
    CHECK_STR(queue_pop(q, 10)->name, "b");
    queue_add(q, "", "c");
    CHECK_STR(queue_pop(q, 11)->name, "c");
    CHECK_INT(queue_next_due(q), 20);
    CHECK_STR(queue_pop(q, 100)->name, "d");
    CHECK_STR(queue_pop(q, 100)->name, "e");
    CHECK_STR(queue_pop(q, 100)->name, "a");
    CHECK_INT(queue_next_due(q), -1);
    queue_free(q);
}

TEST(queue, higher_ranks_go_first)
{
    static const char *const want[] = { "d", "b", "a", "c", "e" };
    struct queue *q = queue_new();

    queue_add(q, "", "a");
    queue_add_ranked(q, "", "b", 5);
    queue_add(q, "", "c");
    queue_add_ranked(q, "", "e", -1);
    queue_add_ranked(q, "", "d", 1);
    queue_add_ranked(q, "", "d", 9);
    for (int i = 0; i < 5; i++) {
        struct queue_item *item = queue_pop(q, 0);

        CHECK_STR(item->name, want[i]);
        queue_finish(q, item, -1);
    }
    queue_free(q);
}
