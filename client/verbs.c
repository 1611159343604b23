#include "client/verbs.h"

#include "base/mem.h"
#include "base/text.h"

static const struct verb verbs[] = {
    { "apply", "make the cluster hold what manifests say",
      "mkube apply -f FILE|DIR|- [-R] [-n NS] [--dry-run=client|server]", apply_main },
    { "get", "show objects", "mkube get KIND [NAME...] | KIND/NAME... | -f FILE [flags]",
      get_main },
    { "describe", "show an object with what belongs to it, on a page",
      "mkube describe KIND [NAME...] | KIND/NAME... | KIND -l SEL | -f FILE", describe_main },
    { "delete", "delete objects, and wait until they are gone",
      "mkube delete KIND NAME... | KIND/NAME... | KIND -l SEL | -f FILE [flags]", delete_main },
    { "logs", "show what a pod's container wrote",
      "mkube logs POD|KIND/NAME|-l SEL [-c NAME] [flags]", logs_main },
    { "exec", "run a command in a container",
      "mkube exec POD|KIND/NAME [-c NAME] [-it] -- COMMAND [ARG...]", exec_main },
    { "port-forward", "reach ports of a pod from here",
      "mkube port-forward POD|KIND/NAME [LOCAL:]REMOTE... [flags]", forward_main },
    { "why", "say why something does not run, and the smallest change that would help",
      "mkube why [KIND/NAME...] [flags]", why_main },
    { "events", "show what happened, in the order of time",
      "mkube events [--for KIND/NAME] [-A] [-w] [flags]", events_main },
    { "top", "show what nodes and pods use", "mkube top nodes|pods [NAME] [flags]", top_main },
    { "create",
      "make a namespace, secret, configmap, serviceaccount, token, job, or what a file says",
      "mkube create namespace|secret|configmap|serviceaccount|token|job NAME [flags] | -f FILE",
      create_main },
    { "scale", "say how many there are to be", "mkube scale --replicas=N KIND/NAME... [flags]",
      scale_main },
    { "rollout", "see, undo, restart or pause the rollout of a workload",
      "mkube rollout status|history|undo|restart|pause|resume KIND/NAME [flags]", rollout_main },
    { "wait", "wait until objects are as asked for",
      "mkube wait --for=delete|create|condition=NAME|jsonpath={.PATH}[=VALUE] KIND/NAME... [flags]",
      wait_main },
    { "patch", "change fields of an object",
      "mkube patch KIND NAME | KIND/NAME -p PATCH|--patch-file FILE [--type TYPE] [flags]",
      patch_main },
    { "label", "set and take away labels", "mkube label KIND NAME KEY=VALUE... KEY-... [flags]",
      label_main },
    { "annotate", "set and take away annotations",
      "mkube annotate KIND NAME KEY=VALUE... KEY-... [flags]", label_annotate_main },
    { "cordon", "no new pods for this node", "mkube cordon NODE... [flags]", drain_cordon_main },
    { "uncordon", "new pods for this node again", "mkube uncordon NODE... [flags]",
      drain_uncordon_main },
    { "drain", "move the pods of a node elsewhere", "mkube drain NODE... [flags]", drain_main },
    { "taint", "set and take away taints of nodes",
      "mkube taint nodes NAME... KEY[=VALUE]:EFFECT... KEY[:EFFECT]-... [flags]", taint_main },
    { "certificate", "approve or deny certificate requests",
      "mkube certificate approve|deny NAME...", certificate_main },
    { "api-resources", "list the kinds that the server knows", "mkube api-resources [flags]",
      resources_main },
    { "completion", "print what bash sources to complete mkube's words", "mkube completion bash",
      completion_main },
    { "config", "say which server is asked, as whom", "mkube config [flags]",
      resources_config_main },
    { "version", "print the version, and the server's", "mkube version [--client]",
      resources_version_main },
};

static const struct verb *verbs_find(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(verbs); i++)
        if (str_eq(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

void verbs_print(FILE *out)
{
    for (size_t i = 0; i < N_ELEMENTS(verbs); i++)
        fprintf(out, "  %-13s %s\n", verbs[i].name, verbs[i].summary);
}

bool verbs_run(int argc, char **argv, int *ret_exit)
{
    const struct verb *v = argc > 0 ? verbs_find(argv[0]) : NULL;

    if (v == NULL)
        return false;
    *ret_exit = v->run(v, argc - 1, argv + 1);
    if (*ret_exit == VERB_USAGE)
        *ret_exit = VERB_FAILED;
    return true;
}
