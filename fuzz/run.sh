#!/bin/sh
# Runs each fuzz target for a number of seconds (the second argument) by cargo-fuzz (the first), and prints its figures.
# What is new goes to target/fuzz/corpus, and an input that breaks a check to target/fuzz/artifacts.
set -eu
cd "$(dirname "$0")/.."
cargo_fuzz=$1 seconds=$2 made=target/fuzz

# Cargo-fuzz has no --locked.
cargo fetch --locked --quiet --manifest-path fuzz/Cargo.toml
# The flags of libFuzzer's coverage are for nightly, but a stable compiler knows them, too. AddressSanitizer would find
# faults of unsafe code, and the filter has none: without it, the build takes half the time, and there are more runs.
# --no-cfg-fuzzing, because libraries leave work out where they see that they are fuzzed.
RUSTC_BOOTSTRAP=1 "$cargo_fuzz" build --fuzz-dir fuzz --target-dir $made --sanitizer none --no-cfg-fuzzing -O \
    --codegen-units 16
bin=$made/$(rustc -vV | sed -n 's/^host: //p')/release

# One target on each processor at a time.
targets=$("$cargo_fuzz" list --fuzz-dir fuzz)
running=0
for target in $targets; do
    mkdir -p "$made/corpus/$target" "$made/artifacts/$target"
    {
        # The first folder gets what is new.
        "$bin/$target" -max_total_time="$seconds" -max_len=4096 -timeout=20 -print_final_stats=1 \
            -dict="fuzz/dictionaries/$target" -artifact_prefix="$made/artifacts/$target/" \
            "$made/corpus/$target" "fuzz/corpus/$target" || echo crashed
        # The second line is the CPU time of the target: user, system.
        times
    } > "$made/$target.log" 2>&1 &
    running=$((running + 1))
    [ $((running % $(nproc))) -ne 0 ] || wait
done
wait

failed=0
for target in $targets; do
    log=$made/$target.log
    number() { sed -n "s/.*$1 *\([0-9][0-9]*\).*/\1/p" "$log" | tail -n 1; }
    crashes=$(grep -a -c '^crashed$' "$log" || true)
    cpu=$(tail -n 1 "$log" | sed -n 's/^\([0-9]*\)m\([0-9.]*\)s \([0-9]*\)m\([0-9.]*\)s$/\1 \2 \3 \4/p' |
        awk '{ printf "%.0f", 60 * ($1 + $3) + $2 + $4 }')
    printf '%-14s %9s runs, %5s s of CPU, %6s edges, %6s features, %s crashes\n' "$target" \
        "$(number stat::number_of_executed_units:)" "$cpu" "$(number 'cov:')" "$(number 'ft:')" "$crashes"
    if [ "$crashes" != 0 ]; then
        failed=1
        echo "fuzz: $target: an input breaks the check" >&2
        grep -a -A 4 'panicked at\|ERROR: libFuzzer\|Test unit written' "$log" >&2 || tail -n 20 "$log" >&2
    fi
done
exit $failed
