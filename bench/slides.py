"""Whether cost per event grows with the number of slides in a window; what one very busy key costs.

    make bench-slides                      both tables, some ten minutes
    /usr/bin/python3 bench/slides.py --times      without valgrind: CPU times only, half a minute

Runs bench_slides (bench/slides.c) and, under valgrind, counts instructions, which do not depend on
what else the machine does. 5 keys with 360 events an hour each, up to a minute out of order, with 200
pages; `apply` is an event entering the state, `free` what dropping old panes comes to per event, a
row is all that firing does for it: finding the key, summing up its window, the callback. On the way
from the keyspace on, a row costs the same whatever its window.
"""

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build/release/tests/bench_slides"
CASES = [  # name, seconds of size and of slide
    ("1h by 10m", 3600, 600),
    ("1h by 10s", 3600, 10),
    ("24h by 10m", 86_400, 600),
    ("24h by 10s", 86_400, 10),
    ("7d by 1m", 604_800, 60),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", action="store_true", help="CPU times only, no valgrind")
    counted = not parser.parse_args().times
    slides(counted)
    heavy(counted)


def slides(counted):
    print("on_close: count, distinct, histogram, sum\n")
    print(f"{'':12}{'slides':>8}  {'apply/event':>20}{'free/event':>12}{'row':>22}{'rows':>7}"
          f"{'KiB/key':>9}")
    for name, size, every in CASES:
        events, rows, apply_ns, fire_ns, state = run("slides", size, every, "on_close")[0]
        cost = {}
        if counted:
            arguments = ("slides", size, every, "on_close")
            cost["apply"] = instructions("apply", *arguments)[0] / events
            cost["free"] = instructions("slides_release", *arguments)[0] / events
            cost["row"] = instructions("fire", *arguments)[0] / rows
        print(f"{name:12}{size // every:8}  {both(apply_ns / events, cost.get('apply')):>20}"
              f"{amount(cost.get('free')):>12}{both(fire_ns / rows, cost.get('row')):>22}"
              f"{rows:7}{state / 5 / 1024:9.1f}", flush=True)

    print("\non_update: each event emits a row\n")
    for name, size, every in CASES:
        events, _, apply_ns, *_ = run("slides", size, every, "on_update")[0]
        cost = None
        if counted:
            cost = instructions("apply", "slides", size, every, "on_update")[0] / events
        print(f"{name:12}{size // every:8}  {both(apply_ns / events, cost):>20}", flush=True)


def heavy(counted):
    print("\none key, 10 M events in an hour, 1 M values: count, distinct, histogram, top, quantile,"
          "\nlast 20 over 1h by 10m\n")
    print(f"{'million':>8}  {'apply/event':>20}{'state bytes':>13}{'with strings':>14}")
    parts = run("heavy")
    cost = instructions("apply", "heavy") if counted else []
    for number, (events, _, apply_ns, _, state, memory) in enumerate(parts):
        part = cost[number] / 25_600 if counted else None
        print(f"{number + 1:8}  {both(apply_ns / events, part):>20}{state:13}{memory:14}")


def run(*arguments):
    """The numbers of each line that the program prints: events, rows, ns of applying and of firing,
    bytes of state."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True, text=True)
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


def instructions(part, *arguments):
    """The instructions of each counted stretch, in one of its parts, or in a function by name."""
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no",
                   "--combine-dumps=yes", f"--callgrind-out-file={folder}/out"]
        if part not in ("apply", "fire"):
            command.append(f"--toggle-collect={part}")
        subprocess.run(
            [*command, PROGRAM, *map(str, arguments)],
            check=True, capture_output=True, env={**os.environ, "FRESHET_BENCH_PART": part},
        )
        text = Path(folder, "out").read_text()
    parts = re.split(r"^desc: Trigger: ", text, flags=re.M)[1:]
    asked = [found for found in parts if found.startswith("Client Request")]
    return [int(re.search(r"^totals: (\d+)", found, re.M)[1]) for found in asked]


def amount(value, unit="instr."):
    if value is None:
        return ""
    return f"{value:.0f} {unit}" if value < 10_000 else f"{value / 1000:.1f} k"


def both(ns, count):
    time = f"{ns:.0f} ns" if ns < 10_000 else f"{ns / 1000:.1f} us"
    return time if count is None else f"{amount(count)} {time:>8}"


if __name__ == "__main__":
    main()
