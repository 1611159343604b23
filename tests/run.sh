#!/bin/bash
# Runs one stage of the tests and counts: run.sh OUT STAGE PROGRAM...
# unit: every argument is a test program.  Other stages: the arguments are one command.
# The counts are appended to OUT/counts as "STAGE passed failed"; exit 1 if anything failed.
set -u
out=$1 stage=$2
shift 2
passed=0 failed=0
log=$out/log/$stage
mkdir -p "$log"
export ASAN_OPTIONS=${ASAN_OPTIONS:-allow_user_segv_handler=0:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-print_suppressions=0}

# Test programs of ours end with "N passed, N failed"; pytest says "N failed, N passed in ...".
count() { # file exit-code name
    local line p f
    line=$(grep -E '^[0-9]+ (passed|failed|errors?|skipped)\b' "$1" | tail -1)
    p=$(grep -oE '[0-9]+ passed' <<< "$line" | cut -d' ' -f1)
    f=$(grep -oE '[0-9]+ (failed|errors?)\b' <<< "$line" | awk '{n += $1} END {print n + 0}')
    p=${p:-0}
    if [ "$2" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f))
    if [ "$2" -ne 0 ]; then return 1; fi
    printf '  %-7s %s: %s passed\n' TEST "${3}" "$p"
}

if [ "$stage" = unit ]; then
    for program in "$@"; do
        name=$(basename "$program")
        "$program" > "$log/$name" 2>&1
        rc=$?
        if ! count "$log/$name" $rc "$name"; then
            printf '  %-7s %s: exit code %d\n' FAILED "$name" $rc
            grep -vE '^\[( RUN      |       OK |  PASSED  |-+|=+)\]' "$log/$name" | tail -40
        fi
    done
else
    "$@" 2>&1 | tee "$log/out" | cut -c 1-400
    rc=${PIPESTATUS[0]}
    count "$log/out" "$rc" "$stage" || printf '  %-7s %s: exit code %d\n' FAILED "$stage" "$rc"
fi
echo "$stage $passed $failed" >> "$out/counts"
echo "$stage: $passed passed, $failed failed ($SECONDS s)"
[ "$failed" -eq 0 ]
