/* mkube completion: what a shell sources so that the Tab key knows verbs, flags, kinds and names. */
#include "base/text.h"
#include "client/verbs.h"

#include <stdio.h>

/* The binary is asked for all: its own --help for words and flags, the server for kinds and names,
 * for two seconds at most, so that a server that is away does not hold the prompt.  A command line's
 * own -n and --kubeconfig count. */
static const char completion_bash[] =
    "_mkube_help() { \"$mkube\" \"$@\" --help 2>/dev/null; }\n"
    "_mkube_ask() { timeout 2 \"$mkube\" \"$@\" \"${where[@]}\" 2>/dev/null; }\n"
    "_mkube_names() { _mkube_ask get \"$1\" -o name | sed 's,^[^/]*/,,'; }\n"
    "\n"
    "_mkube() {\n"
    "    local mkube=$1 word=$2 before=$3 words='' slash='' i\n"
    "    local -a plain=() where=()\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n"
    "        -n | --namespace | --kubeconfig) where+=(\"${COMP_WORDS[i]}\" \"${COMP_WORDS[++i]}\") "
    ";;\n"
    "        -*) ;;\n"
    "        *) plain+=(\"${COMP_WORDS[i]}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    COMPREPLY=()\n"
    "    if [[ $word == -* && ${#plain[@]} -gt 0 ]]; then\n"
    "        words=$(_mkube_help \"${plain[@]:0:2}\" | grep -o -- '--[a-z][a-z-]*')\n"
    "    elif [[ $before == -n || $before == --namespace ]]; then\n"
    "        words=$(_mkube_names namespaces)\n"
    "    elif [[ $before == -f || $before == --filename || $before == --kubeconfig ]]; then\n"
    "        return\n"
    "    elif [[ ${#plain[@]} == 0 ]]; then\n"
    "        words=$(_mkube_help | sed -n 's/^  \\([a-z][a-z-]*\\) .*/\\1/p')\n"
    "    else\n"
    "        case ${plain[0]}/${#plain[@]} in\n"
    "        rollout/1 | create/1 | certificate/1)\n"
    "            words=$(_mkube_help \"${plain[0]}\" | sed -n 's/^  \\([a-z][a-z-]*\\) .*/\\1/p') "
    ";;\n"
    "        top/1) words='nodes pods' ;;\n"
    "        top/*) words=$(_mkube_names \"${plain[1]}\") ;;\n"
    "        certificate/*) words=$(_mkube_names certificatesigningrequests) ;;\n"
    "        cordon/* | uncordon/* | drain/*) words=$(_mkube_names nodes) ;;\n"
    "        taint/1) words=nodes ;;\n"
    "        taint/*) words=$(_mkube_names nodes) ;;\n"
    "        logs/1 | exec/1 | port-forward/1) words=$(_mkube_names pods) ;;\n"
    "        rollout/2) words=$(_mkube_ask get deployments,statefulsets,daemonsets -o name) ;;\n"
    "        get/* | describe/* | delete/* | why/* | scale/* | wait/* | patch/* | label/* | "
    "annotate/*)\n"
    "            if [[ $word == */* ]]; then\n"
    "                slash=${word%%/*}/\n"
    "                words=$(_mkube_names \"${word%%/*}\" | sed \"s,^,$slash,\")\n"
    "            elif [[ ${#plain[@]} == 1 ]]; then\n"
    "                words=$(_mkube_ask api-resources -o name)\n"
    "            elif [[ ${plain[1]} != */* ]]; then\n"
    "                words=$(_mkube_names \"${plain[1]}\")\n"
    "            fi ;;\n"
    "        esac\n"
    "    fi\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
    "}\n"
    "complete -o default -F _mkube mkube\n";

int completion_main(const struct verb *self, int argc, char **argv)
{
    const struct opt table[] = { { .name = NULL } };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n != 1 || !str_eq(argv[0], "bash"))
        return verb_misused(self);
    fputs(completion_bash, stdout);
    return VERB_DONE;
}
