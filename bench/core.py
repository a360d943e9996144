"""What an event costs in the engine's core, for the example pipelines: decode, apply, fire, finish.

    make bench-core                               a table, some ten minutes
    /usr/bin/python3 bench/core.py --times        without valgrind: CPU times only, two minutes

Runs bench_core (bench/core.c): the examples' traffic through decoding and the keyspaces, without
Kafka, sinks and disk. Times are CPU of the whole stage by event, the least of --repeat runs;
instructions are callgrind's, of a smaller run with as many events a user, and do not depend on what
else the machine does. `--build` names another build, to compare.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ("user_activity", "session_features", "fraud")
STAGES = ("decode", "apply", "fire", "finish")
EVENTS = 2_000_000  # for times, with 50,000 users; a fifth of both under valgrind
PART = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", action="store_true", help="CPU times only, no valgrind")
    parser.add_argument("--build", default=ROOT / "build/release", type=Path, help="build folder")
    parser.add_argument("--example", nargs="+", default=EXAMPLES, choices=EXAMPLES)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    program = options.build / "tests/bench_core"
    print(f"{'':18}" + "".join(f"{stage:>22}" for stage in (*STAGES, "all")))
    for example in options.example:
        runs = [times(program, example) for _ in range(options.repeat)]
        least = {stage: min(run[stage] for run in runs) for stage in (*STAGES, "all")}
        counted = {} if options.times else instructions(program, example)
        print(f"{example:18}" + "".join(cell(least[stage], counted.get(stage)) for stage in least),
              flush=True)


def times(program, example):
    """CPU ns an event, by stage."""
    done = subprocess.run([program, ROOT / f"examples/{example}.yaml", example], check=True,
                          capture_output=True, text=True)
    return {name: int(ns) for name, ns in re.findall(r"^(\w+) +(\d+) ns", done.stdout, re.M)}


def instructions(program, example):
    """Instructions an event, by stage: the inclusive cost of the functions that are called so."""
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", program,
             ROOT / f"examples/{example}.yaml", example, str(EVENTS // PART),
             str(50_000 // PART)],
            check=True, capture_output=True,
        )
        text = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100",
                               f"{folder}/out"], check=True, capture_output=True, text=True).stdout
    counts = {}
    for stage in STAGES:
        found = re.search(rf"^ *([\d,]+) .*:stage_{stage}[. ]", text, re.M)
        counts[stage] = int(found[1].replace(",", "")) / (EVENTS // PART)
    counts["all"] = sum(counts.values())
    return counts


def cell(ns, count):
    text = f"{ns} ns" if count is None else f"{count:,.0f} · {ns} ns"
    return f"{text:>22}"


if __name__ == "__main__":
    main()
