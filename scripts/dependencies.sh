#!/bin/sh
# Sees to it that what freshet needs is on the machine: dependencies.sh build|demo|test|peers ...
#
# Says what is missing and what it is for, and installs it from Debian's packages (as root or by
# sudo). NO_INSTALL=1: only says it, and fails if anything is missing.
set -eu

# kind of check, what is looked for, Debian package, reason
build='
command cc gcc compiles
command c++ g++ compiles the thin files around C++ libraries
command cmake cmake configures the build
command ninja ninja-build runs the build
command pkg-config pkg-config finds libraries
library liburing liburing-dev network and event loop
library rdkafka librdkafka-dev Kafka client
library zlib zlib1g-dev record batches by gzip
library snappy libsnappy-dev record batches by snappy
library liblz4 liblz4-dev record batches by lz4
library libzstd libzstd-dev record batches by zstd
library hiredis libhiredis-dev Redis protocol
library jemalloc libjemalloc-dev memory per shard
library yaml-0.1 libyaml-dev pipeline files
library simdjson libsimdjson-dev JSON events
library libmicrohttpd libmicrohttpd-dev metrics and status pages
library libxxhash libxxhash-dev hashing of keys
library rocksdb librocksdb-dev checkpoints
library cmocka libcmocka-dev unit tests, built with the rest
'
demo='
command redis-server redis-server the online store
'
test='
command java default-jre-headless runs the Kafka broker of the tests
command mvn maven fetches the Kafka broker of the tests
command /usr/bin/python3 python3 runs the integration tests
command valgrind valgrind counts instructions
python yaml python3-yaml reads pipeline files in the tests
python redis python3-redis reads Redis in the tests
python confluent_kafka python3-confluent-kafka reads and writes Kafka in the tests
'
peers='
command javac default-jdk-headless compiles what freshet is compared with
'

is_there() {
    case $1 in
    command) command -v "$2" >/dev/null 2>&1 ;;
    library) command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$2" ;;
    python) /usr/bin/python3 -c "import $2" >/dev/null 2>&1 ;;
    esac
}

missing=
for set in "$@"; do
    case $set in
    build) list=$build ;;
    demo) list=$demo ;;
    test) list=$test ;;
    peers) list=$peers ;;
    *) echo "dependencies.sh: no such set: $set" >&2 && exit 2 ;;
    esac
    while read -r kind name package reason; do
        [ -n "$kind" ] || continue
        if ! is_there "$kind" "$name"; then
            printf 'missing: %-26s %s\n' "$package" "$reason"
            missing="$missing $package"
        fi
    done <<LIST
$list
LIST
done

[ -n "$missing" ] || exit 0
if [ -n "${NO_INSTALL:-}" ]; then
    echo "NO_INSTALL is set; install them with: apt-get install$missing"
    exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "this is no Debian system: install what corresponds to:$missing" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "run this as root, or install:$missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if ! { $sudo apt-get update && DEBIAN_FRONTEND=noninteractive \
       $sudo apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "the packages could not be installed" >&2
    exit 1
fi
