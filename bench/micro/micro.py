"""What one operation of each module costs: nanoseconds, instructions, allocations.

    make bench-micro             the table (ARGS="decode/* --times": some, without valgrind)
    make bench-micro-record      count anew and rewrite bench/micro/micro.recorded
    scripts/test.sh instructions      compare with it, as `make test` does

Times are the median of 7 repeats, in CPU time, and depend on the machine. Instructions are counted by
callgrind in bench/micro/main.c's runs alone and depend on the source, compiler and libraries: any two
counts of one build are the same to the last digit. So they are recorded in the tree, and a growth of
more than 3 % that the recording does not have is refused where compiler, libraries, valgrind and the
processor that it pretends to be are those of the recording; elsewhere it is reported. A change that
is worth its instructions records anew, and the difference is there to be reviewed.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RECORDED = Path(__file__).resolve().parent / "micro.recorded"
GROWTH_MAX = 0.03
WINDOWS = ("decode_to_apply/1h_by_10m", "decode_to_apply/1h_by_10s")
CHUNK = 6  # benches that one valgrind runs, each in a process of its own

HEAD = """\
# Instructions per operation, counted by callgrind. `make bench-micro-record` writes this file;
# `make test` compares with it: bench/micro/micro.py.
"""


def main():
    options = parse_options()
    program = options.build / "tests/bench_micro"
    if options.command == "table":
        table(program, options)
    elif options.command == "record":
        record(program, options.jobs)
    else:
        sys.exit(check(program, options.jobs))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=["table", "record", "check"])
    parser.add_argument("names", nargs="*", help="of the table's benches, as patterns")
    parser.add_argument("--times", action="store_true", help="no instructions, no valgrind")
    parser.add_argument("--build", default=ROOT / "build/release", type=Path, help="build folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="valgrinds at a time")
    return parser.parse_args()


# What is run


def environment(**more):
    """Nothing from outside: what a process has in its environment moves its stack. jemalloc decides
    by the clock when to give memory back, so it never does."""
    memory = "narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1"
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", "MALLOC_CONF": memory, **more}


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, env=environment(**more))
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def versions(program):
    """What counts depend on, other than the source: {name: text}. valgrind has a processor of its
    own, and libraries choose their functions by it; simdjson is told."""
    found = dict(line.split(" ", 1) for line in
                 run(["valgrind", "-q", "--tool=none", program, "versions"]).splitlines())
    found = {name: " ".join(text.split()) for name, text in found.items()}
    chosen = next((name for feature, name in [(" avx2", "haswell"), (" sse4.2", "westmere")]
                   if feature in found["cpu"]), "")
    found["simdjson"] = f"{run(['pkg-config', '--modversion', 'simdjson']).strip()} {chosen}".strip()
    found["valgrind"] = run(["valgrind", "--version"]).strip().removeprefix("valgrind-")
    return found


def benches(program):
    """{name: "recorded", or why it is not}"""
    return dict(line.split() for line in run([program, "list"]).splitlines())


def to_be_recorded(program):
    return [name for name, kind in benches(program).items() if kind == "recorded"]


def counts(program, names, found, jobs):
    """{name: instructions per operation}"""
    _, *chosen = found["simdjson"].split()
    more = {"SIMDJSON_FORCE_IMPLEMENTATION": chosen[0]} if chosen else {}
    chunks = [names[at:at + CHUNK] for at in range(0, len(names), CHUNK)]
    counted = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for part in pool.map(lambda chunk: count(program, chunk, more), chunks):
            counted |= part
    if missing := [name for name in names if name not in counted]:
        sys.exit(f"not counted: {', '.join(missing)}")
    return counted


def count(program, names, more):
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        said = run(["valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no",
                    f"--callgrind-out-file={folder}/out.%p", program, "count", *names], **more)
        operations = {name: int(done) for name, done in map(str.split, said.splitlines())}
        totals = {}
        for path in Path(folder).glob("out.*.*"):
            text = path.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (\S+)", text, re.M)[1]
            totals[name] = int(re.search(r"^totals: (\d+)", text, re.M)[1])
    return {name: total / operations[name] for name, total in totals.items()}


# What is said


def table(program, options):
    known = benches(program)
    lines = (line.split() for line in run([program, "time", *options.names]).splitlines())
    times = {name: tuple(map(float, figures)) for name, *figures in lines}
    counted = {}
    if not options.times:
        names = [name for name in times if known[name] != "threads"]
        counted = counts(program, names, versions(program), options.jobs)
    print(f"{'per operation':28}{'ns':>10}{'instructions':>14}{'allocations':>13}{'bytes':>8}")
    for name, (ns, allocations, size) in times.items():
        instructions = f"{counted[name]:,.1f}" if name in counted else ""
        allocated = f"{allocations:.2f}" if allocations >= 0.005 else "0"
        print(f"{name:28}{ns:10,.1f}{instructions:>14}{allocated:>13}"
              f"{size if allocated != '0' else 0:8.0f}")
    print_windows(counted)


def print_windows(counted):
    coarse, fine = (counted.get(name) for name in WINDOWS)
    if coarse and fine:
        print(f"from bytes to state, 1 h by 10 s takes {change(coarse, fine)} instructions against "
              "1 h by 10 min")


def change(before, now):
    return f"{(now / before - 1) * 100:+.1f} %"


def recorded():
    """The versions and the counts of the recording."""
    lines = [line.split(maxsplit=1) for line in RECORDED.read_text().splitlines()
             if line and not line.startswith("#")]
    return ({name: text for name, text in lines if "/" not in name},
            {name: float(text) for name, text in lines if "/" in name})


def record(program, jobs):
    found = versions(program)
    names = to_be_recorded(program)
    counted = counts(program, names, found, jobs)
    before = recorded()[1] if RECORDED.exists() else {}
    text = HEAD + "\n" + "".join(f"{name:10} {text}\n" for name, text in sorted(found.items()))
    text += "\n" + "".join(f"{name:30}{counted[name]:12.2f}\n" for name in names)
    RECORDED.write_text(text)
    for name in names:
        if name not in before:
            print(f"{name:30}{counted[name]:12,.1f}  new")
        elif abs(counted[name] / before[name] - 1) > 0.001:
            print(f"{name:30}{counted[name]:12,.1f}  {change(before[name], counted[name])}")
    print_windows(counted)


def check(program, jobs):
    """0, or 1 if something is to be explained."""
    found = versions(program)
    their_versions, before = recorded()
    names = to_be_recorded(program)
    counted = counts(program, names, found, jobs)
    other = [name for name in found if found[name] != their_versions.get(name)]
    grown = [name for name in names
             if name in before and counted[name] > before[name] * (1 + GROWTH_MAX)]
    shrunk = [name for name in names
              if name in before and counted[name] < before[name] * (1 - GROWTH_MAX)]
    unpaired = sorted(set(names) ^ set(before))

    for title, part in (("more than recorded", grown), ("less than recorded", shrunk)):
        if part:
            print(f"{title}:")
        for name in part:
            print(f"  {name:30}{before[name]:12,.1f} ->{counted[name]:12,.1f}"
                  f"{change(before[name], counted[name]):>10}")
    for name in unpaired:
        print(f"  {name}: {'not recorded' if name in counted else 'recorded, and there is none'}")
    print_windows(counted)
    if other:
        for name in other:
            print(f"  {name} is {found[name]}; recorded with {their_versions.get(name)}")
        print(f"passed: {len(names)} benches, not judged, since the recording is another machine's; "
              f"{len(grown)} would have grown by more than {GROWTH_MAX:.0%}")
        return 0
    if grown or unpaired:
        print("make bench-micro-record records what is as it should be; say in the commit why")
        return 1
    print(f"passed: {len(names)} benches, none by more than {GROWTH_MAX:.0%} above its record"
          + (f"; {len(shrunk)} could be recorded lower" if shrunk else ""))
    return 0


if __name__ == "__main__":
    main()
