/* layer: controlplane */
#include "controlplane/view.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include <stdio.h>

static void put_pod(struct plan_fixture *f, const char *ns, const char *name, const char *node)
{
    plan_fixture_putf(f, "pods",
                      "{'metadata': {'name': '%s', 'namespace': '%s', 'ownerReferences':"
                      " [{'uid': 'o', 'kind': 'K', 'name': 'k', 'apiVersion': 'v'}]},"
                      " 'spec': {'nodeName': '%s'}}",
                      name, ns, node);
}

TEST(view, lists_by_namespace_owner_and_node)
{
    struct plan_fixture f;
    const struct object *const *list;
    size_t n;

    plan_fixture_up(&f);
    put_pod(&f, "b", "one", "x");
    put_pod(&f, "a", "two", "x");
    put_pod(&f, "b", "three", "y");
    list = view_list(f.view, "pods", "b", &n);
    CHECK_INT(n, 2);
    CHECK_STR(list[0]->name, "one");
    CHECK_STR(list[1]->name, "three");
    CHECK(list[2] == NULL);
    view_list(f.view, "pods", NULL, &n);
    CHECK_INT(n, 3);
    view_owned(f.view, "pods", "o", &n);
    CHECK_INT(n, 3);
    view_owned(f.view, "services", "o", &n);
    CHECK_INT(n, 0);
    view_on_node(f.view, "x", &n);
    CHECK_INT(n, 2);
    plan_fixture_down(&f);
}

TEST(view, parses_an_object_once_per_step)
{
    struct plan_fixture f;
    const json_t *tree;

    plan_fixture_up(&f);
    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", i);
        put_pod(&f, "default", name, "x");
    }
    tree = view_tree(f.view, plan_fixture_get(&f, "pods", "p7"));
    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", i);
        CHECK_STR(json_str(view_tree(f.view, plan_fixture_get(&f, "pods", name)), "metadata.name"),
                  name);
    }
    CHECK(view_tree(f.view, plan_fixture_get(&f, "pods", "p7")) == tree);
    CHECK(view_footprint(f.view) > 0);
    view_end_step(f.view);
    CHECK_INT(view_footprint(f.view), 0);
    plan_fixture_down(&f);
}

TEST(view, keeps_trees_when_told_to)
{
    struct plan_fixture f;
    const json_t *tree;

    plan_fixture_up(&f);
    put_pod(&f, "default", "a", "x");
    view_keep(f.view, 1000);
    tree = view_tree(f.view, plan_fixture_get(&f, "pods", "a"));
    view_end_step(f.view);
    CHECK(view_tree(f.view, plan_fixture_get(&f, "pods", "a")) == tree);
    plan_fixture_down(&f);
}

TEST(view, says_once_per_step_that_nobody_has_looked_yet)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    CHECK(view_first(f.view, "pods"));
    CHECK(view_first(f.view, "nodes"));
    CHECK(!view_first(f.view, "pods"));
    view_end_step(f.view);
    CHECK(view_first(f.view, "pods"));
    plan_fixture_down(&f);
}

TEST(view, lets_go_of_trees_within_a_step)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_pod(&f, "default", "a", "x");
    CHECK(view_first(f.view, "pods"));
    view_tree(f.view, plan_fixture_get(&f, "pods", "a"));
    view_let_go(f.view, 100000);
    CHECK(view_footprint(f.view) > 0);
    view_let_go(f.view, 0);
    CHECK_INT(view_footprint(f.view), 0);
    CHECK(!view_first(f.view, "pods")); /* the step goes on */
    plan_fixture_down(&f);
}
