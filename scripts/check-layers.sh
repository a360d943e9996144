#!/bin/sh
# A layer can't include what is not below it: each forbidden include named here must not compile in
# its folder, each allowed one must. Uses the compile commands of the release build.
set -eu
cd "$(dirname "$0")/.."
database=build/release/compile_commands.json

# The include paths of a layer, from one of its files.
includes() {
    /usr/bin/python3 - "$database" "$1" <<'PYTHON'
import json, shlex, sys
for entry in json.load(open(sys.argv[1])):
    if f"/src/{sys.argv[2]}/" in entry["file"] and entry["file"].endswith(".c"):
        print(" ".join(word for word in shlex.split(entry["command"]) if word.startswith("-I")))
        break
PYTHON
}

compiles() {
    # shellcheck disable=SC2046
    echo "#include \"$2\"" | cc -std=gnu17 -D_GNU_SOURCE -fsyntax-only -x c $(includes "$1") - 2>/dev/null
}

wrong=0
while read -r verdict layer header; do
    if compiles "$layer" "$header"; then found=may; else found=may-not; fi
    if [ "$found" != "$verdict" ]; then
        echo "$layer $found include $header"
        wrong=1
    fi
done <<LIST
may     plan      base/err.h
may     view      aggregate/cell.h
may     shard     sink/redis_sink.h
may     checkpoint plan/plan.h
may-not base      plan/plan.h
may-not plan      decode/decode.h
may-not uring     plan/plan.h
may-not decode    aggregate/cell.h
may-not aggregate window/slides.h
may-not window    aggregate/cell.h
may-not state     view/keyspace.h
may-not view      uring/loop.h
may-not view      sink/row_json.h
may-not sink      source/consumer.h
may-not kafka     uring/loop.h
may-not uring     kafka/wire.h
may-not source    sink/row_json.h
may-not sink      checkpoint/store.h
may-not view      checkpoint/store.h
may-not checkpoint view/keyspace.h
may-not checkpoint kafka/client.h
may-not shard     engine/engine.h
may-not engine    admin/report.h
may     bench     admin/admin_client.h
may     cli       bench/bench.h
may-not admin     bench/report.h
may-not bench     cli/cli.h
LIST
[ "$wrong" -eq 0 ] && echo "27 passed, 0 failed"
