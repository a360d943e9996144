#!/bin/sh
# Every test, step by step; the last line is the verdict.
#
# Steps may be named to run only those: scripts/test.sh unit integration
set -u
cd "$(dirname "$0")/.."
mkdir -p build
jobs=$(nproc)
failed=
steps=${*:-build layers reference unit instructions asan sim sim-asan tsan sharing failpoints \
    integration integration-librdkafka integration-asan integration-tsan}

now() { date +%s; }

# step NAME WHAT COMMAND...: the command's output goes to a file and is shown when it fails; with
# `watched` before it, it is shown as it comes.
step() {
    watched=
    if [ "$1" = watched ]; then
        watched=yes
        shift
    fi
    name=$1
    what=$2
    shift 2
    case " $steps " in
    *" $name "*) ;;
    *) return 0 ;;
    esac
    printf '== %-22s %s\n' "$name" "$what"
    begun=$(now)
    if [ -n "$watched" ]; then
        "$@"
        status=$?
    else
        "$@" >"build/test-$name.log" 2>&1
        status=$?
        if [ $status -eq 0 ]; then
            tail -n 5 "build/test-$name.log" | grep -E 'passed' | sed 's/^/   /'
        else
            cat "build/test-$name.log"
        fi
    fi
    if [ $status -eq 0 ]; then
        printf '   ok in %s s\n' $(($(now) - begun))
    else
        printf '   FAILED after %s s\n' $(($(now) - begun))
        failed="$failed $name"
    fi
}

build() { cmake --preset "$1" && cmake --build --preset "$1" -j "$jobs"; }

unit() { build "$1" && ctest --preset "$1" -j "$jobs" -LE sim; }

instructions() {
    build release && cmake --build --preset release -j "$jobs" --target bench_micro &&
        /usr/bin/python3 bench/micro/micro.py check
}

sharing() {
    build release && cmake --preset lines &&
        cmake --build --preset lines -j "$jobs" --target freshet &&
        /usr/bin/python3 tests/integration/sharing.py
}

failpoints() {
    cmake --preset failpoints && cmake --build --preset failpoints -j "$jobs" --target freshet
}

simulation() { build "$1" && ctest --preset "$1" -j "$jobs" -L sim; }

tsan_unit() {
    build tsan && TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp" \
        ctest --preset tsan -j "$jobs" -L threads
}

integration() {
    engine=$1
    shift
    /usr/bin/python3 tests/integration/run.py --engine "build/$engine/freshet" "$@"
}

reference() {
    /usr/bin/python3 tests/reference/test_reference.py &&
        /usr/bin/python3 tests/integration/run.py --self-test
}

step build 'release build, warnings are errors' build release
step layers 'an include across layers does not compile' scripts/check-layers.sh
step reference 'the reference, against examples worked by hand' reference
step unit 'unit tests and fuzz corpus, release' unit release
step instructions 'none of the small benches takes more than is recorded' instructions
step asan 'the same under AddressSanitizer and UBSan' unit asan
step sim 'simulated Kafka, Redis and clock, under seeds' simulation release
step sim-asan 'the same under AddressSanitizer and UBSan' simulation asan
step tsan 'what crosses threads, under ThreadSanitizer' tsan_unit
step sharing 'no cache line is written by two shards' sharing
step failpoints 'a build that the next step kills at named places' failpoints
step watched integration 'a real Kafka broker and a real redis-server' integration release
step watched integration-librdkafka 'a sample of that, with records that librdkafka fetches' \
    integration release --fetch librdkafka \
    --filter batching/shuffle,outages/broker_killed,input/transactions,crash/any_time_shuffled
step watched integration-asan 'random pipelines and spoilt answers, under AddressSanitizer and UBSan' \
    integration asan --filter random/,fetch/torture --cases 12 --seed 11
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp exitcode=66"
step watched integration-tsan 'random pipelines under ThreadSanitizer' \
    integration tsan --filter random/ --cases 8 --seed 12

if [ -n "$failed" ]; then
    echo "test: FAILED:$failed"
    exit 1
fi
echo "test: ok"
