#!/bin/bash
# Does the simulator find what it is for?  Each patch in tests/sim/bugs plants one bug in a copy of
# the tree; the simulator built from it must fail within SEEDS seeds, for the reason that the patch
# says ("found as:"); "run with:" replaces the arguments.
# bugs.sh BUILD: where the objects of the tree as it is are (only what is patched is compiled anew).
set -u
build=$1
seeds=${SEEDS:-150}
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/mkube-bugs-XXXXXX")
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# The tree as make sees it, and what was made of it, with their times.
plant() { # patch
    rm -rf "$dir/tree"
    mkdir -p "$dir/tree/build/obj"
    (cd "$root" && cp -a Makefile base storage cel api net nodeagent controlplane tests "$dir/tree/")
    for part in gen sim obj/base obj/storage obj/cel obj/api obj/net obj/controlplane obj/tests obj/gen; do
        [ -e "$build/$part" ] && cp -a "$build/$part" "$dir/tree/build/$part"
    done
    cp -a "$build"/lib*.a "$build"/obj/*.members "$dir/tree/build/" 2> /dev/null
    mv "$dir"/tree/build/*.members "$dir/tree/build/obj/" 2> /dev/null
    patch -s -p1 -d "$dir/tree" < "$1" > "$dir/log" 2>&1
}

make_sim() {
    # A planted bug may leave something unused.
    make -s -C "$dir/tree" BUILD=build WERROR= build/sim > "$dir/log" 2>&1
}

for patch in "$root"/tests/sim/bugs/*.patch; do
    name=$(basename "$patch" .patch)
    how=$(sed -n 's/^run with: //p' "$patch")
    reason=$(sed -n 's/^found as: //p' "$patch")
    if ! plant "$patch" || ! make_sim; then
        echo "  $name: does not apply or build"
        tail -5 "$dir/log"
        failed=$((failed + 1))
        continue
    fi
    "$dir/tree/build/sim" ${how:---seeds "$seeds"} --lines 0 > "$dir/log" 2>&1
    found=$(grep -m1 "^seed .*failed.*$reason" "$dir/log")
    if [ -n "$reason" ] && [ -n "$found" ]; then
        echo "  $name: found: ${found#*: }"
        passed=$((passed + 1))
    else
        echo "  $name: not found in $seeds seeds"
        tail -3 "$dir/log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
