#!/bin/bash
# Brings the hello example up in a lab that stands: images into its registry, manifests into the cluster, and a
# look at the page from outside.  `make up` calls it after `tests/lab/lab up`.
set -eu

here=$(dirname "$(realpath "$0")")
lab=$here/../../tests/lab/lab
config=$("$lab" kubeconfig)
address=$("$lab" address control)
registry=$("$lab" address registry)
url=http://$address/

step() { printf '\n== %s\n' "$*"; }
k() { kubectl --kubeconfig "$config" --cache-dir "$(dirname "$config")/kubectl-cache" "$@"; }

fetch() # the page, asked for by the host outside the cluster; on a terminal's worth of lines
{
    "$lab" run client -- /usr/bin/python3 -c '
import re, sys, urllib.request
page = urllib.request.urlopen(sys.argv[1], timeout=5).read().decode()
print(re.sub("<[^>]*>", " ", re.sub("(?s)<head.*</head>|<style.*</style>|<title>[^<]*</title>", "", page)).strip())' "$url"
}

fetch_until_counted() # the entry may learn of the pods a moment after kubectl does
{
    local page deadline=$((SECONDS + 30))
    while :; do
        if page=$(fetch 2>&1) && grep -q 'visits *[0-9]' <<<"$page"; then
            printf '%s\n' "$page" | sed 's/^ */    /'
            return
        fi
        if [ $SECONDS -ge $deadline ]; then
            printf 'the page does not come as it should:\n%s\n' "$page" >&2
            return 1
        fi
        sleep 0.2
    done
}

explain() # what to look at when it does not come up
{
    printf '\nIt did not come up.  The state of it:\n' >&2
    k -n hello get pods -o wide >&2 || true
    k -n hello get events >&2 || true
    printf 'see also: %s status; %s logs control; %s logs worker1\n' "$lab" "$lab" "$lab" >&2
}
trap '[ $? -eq 0 ] || explain' EXIT

step "images into the registry at $registry"
"$lab" run registry -- true
"$here/../../tests/lab/images.py" --registry "http://$registry:5000"

step "kubectl apply -f examples/hello/"
k apply -f "$here"

step "waiting until it serves"
k -n hello rollout status statefulset/db --timeout=90s
k -n hello rollout status deployment/hello --timeout=90s

step "the page, fetched by a host outside the cluster from $url"
fetch_until_counted

step "nodes"
k get nodes -o wide
step "pods"
k -n hello get pods -o wide

cat <<END

It serves: $url

What to try next:
  export KUBECONFIG=$config
  kubectl -n hello get pods -o wide -w            in a second terminal
  kubectl -n hello delete pod db-0                comes back with its name and its data
  kubectl -n hello rollout restart deploy/hello   while examples/hello/ask.sh asks for the page: no request is lost
  tests/lab/lab kill worker1                      power cut; tests/lab/lab start worker1 brings it back
  tests/lab/lab service control restart server    the pods notice nothing
  make down                                       leaves nothing behind
END
