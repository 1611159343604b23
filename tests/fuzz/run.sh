#!/bin/bash
# Runs every fuzz target for a while: run.sh DIR-OF-PROGRAMS SECONDS
# New inputs are kept beside the programs; a crash leaves its input there and fails the run.
set -u
dir=$1 seconds=$2
passed=0 failed=0
for program in "$dir"/fuzz_*; do
    name=$(basename "$program")
    [ -x "$program" ] && [ -f "tests/fuzz/$name.c" ] || continue
    seeds=tests/fuzz/corpus/${name#fuzz_}
    mkdir -p "$dir/corpus/$name" "$dir/crash"
    [ -d "$seeds" ] || seeds=
    if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -print_final_stats=1 -artifact_prefix="$dir/crash/$name-" "$dir/corpus/$name" $seeds \
        > "$dir/$name.log" 2>&1; then
        passed=$((passed + 1))
        runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$dir/$name.log")
        printf '  %-7s %s: %s runs\n' FUZZ "$name" "$runs"
    else
        failed=$((failed + 1))
        printf '  %-7s %s\n' FAILED "$name"
        tail -40 "$dir/$name.log"
    fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
