/* layer: nodeagent */
#include "nodeagent/node_counts.h"

#include "base/mem.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

static void add(struct node_counts *c, const char *text)
{
    cleanup(json_decrefpp) json_t *pod = quoted(text);

    node_counts_add(c, pod);
}

TEST(node_counts, pods_run_while_one_of_their_containers_does)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct node_counts c = { 0 };

    add(&c, "{'status': {'containerStatuses': [{'state': {'running': {}}},"
            " {'state': {'terminated': {}}}]}}");
    add(&c, "{'status': {'initContainerStatuses': [{'state': {'running': {}}}],"
            " 'containerStatuses': [{'state': {'waiting': {}}}]}}");
    add(&c, "{'status': {'containerStatuses': [{'containerID': 'x', 'state': {'waiting': {}}}]}}");
    add(&c, "{}");
    node_counts_print(&t, &c, "w1");
    CHECK(strstr(text_str(&t), "\nkubelet_running_pods 2\n") != NULL);
    CHECK(strstr(text_str(&t), "{container_state=\"created\"} 1\n") != NULL);
    CHECK(strstr(text_str(&t), "{container_state=\"exited\"} 1\n") != NULL);
    CHECK(strstr(text_str(&t), "{container_state=\"running\"} 2\n") != NULL);
    CHECK(strstr(text_str(&t), "kubelet_node_name{node=\"w1\"} 1\n") != NULL);
}
