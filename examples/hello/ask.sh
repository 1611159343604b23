#!/bin/bash
# Asks for the page from outside, over and over, and says which pods answered: ask.sh [SECONDS]
set -eu

lab=$(dirname "$(realpath "$0")")/../../tests/lab/lab
exec "$lab" run client -- /usr/bin/python3 -c '
import collections, json, sys, time, urllib.request
url, until = sys.argv[1], time.monotonic() + float(sys.argv[2])
pods, failed, shown = collections.Counter(), 0, time.monotonic()
while time.monotonic() < until:
    try:
        pods[json.load(urllib.request.urlopen(url, timeout=5))["pod"]] += 1
    except (OSError, ValueError, KeyError) as e:
        failed += 1
        print("failed:", e, flush=True)
        time.sleep(0.1)
    if time.monotonic() - shown > 1:
        shown = time.monotonic()
        print(sum(pods.values()), "answered,", failed, "failed;", dict(pods), flush=True)
sys.exit(failed > 0)' "http://$("$lab" address control)/json" "${1:-60}"
