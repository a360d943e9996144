#!/usr/bin/python3
"""Plants small faults in window, aggregate, state and view code, in the parts of uring, sink and
checkpoint on which restarts depend, in what reads Kafka's bytes and in the fetcher, one at a time, and
reports which unit test catches each. A fault that no test catches is a test that is missing.

tests/mutation/faults.txt lists them. All work is done in a copy, under build/mutation: planting,
building there what has changed, running the tests of the fault's layer, then of the layers above
it, up to the first one that fails.

Exit code: 0 all caught, or marked as equivalent; 1 some are not, or do not compile; 2 the table
names what is not there, or the tests fail without any fault.
"""

import argparse
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests/mutation/faults.txt"
COPY = ROOT / "build/mutation/tree"
BUILD = ROOT / "build/mutation/build"

# Whose unit tests are concerned by a fault in a layer, nearest first.
TESTED_BY = {
    "window": ["window", "state", "view"],
    "aggregate": ["aggregate", "state", "view"],
    "state": ["state", "view"],
    "view": ["view"],
    "uring": ["uring", "sink"],
    "sink": ["sink"],
    "checkpoint": ["checkpoint"],
    "kafka": ["kafka"],
    "source": ["source"],
}

TEST_SECONDS_MAX = 60
TEST_BYTES_MAX = 2 << 30  # resident


def stop(message):
    print(f"mutation: {message}", file=sys.stderr)
    sys.exit(2)


class Fault:
    def __init__(self, name, line):
        self.name = name
        self.line = line
        self.file = None
        self.old = []
        self.new = []
        self.equivalent = None

    def where(self):
        return f"{TABLE.relative_to(ROOT)}:{self.line}: {self.name}"

    def layer(self):
        return self.file.split("/")[1]

    def planted_in(self, text):
        old, new = "\n".join(self.old), "\n".join(self.new)
        count = text.count(old)
        if count != 1:
            stop(f"{self.where()}: {self.file} has this text {count} times, not once; has the code "
                 f"changed?\n{old}")
        return text.replace(old, new)


def parse_line(fault, line, number):
    if line.startswith("- ") or line == "-":
        fault.old.append(line[2:])
    elif line.startswith("+ ") or line == "+":
        fault.new.append(line[2:])
    elif line.startswith("file: "):
        fault.file = line[len("file: "):].strip()
    elif line.startswith("equivalent: "):
        fault.equivalent = line[len("equivalent: "):].strip()
    elif line.startswith("  ") and fault.equivalent:
        fault.equivalent += " " + line.strip()
    else:
        stop(f"{TABLE.relative_to(ROOT)}:{number}: not understood: {line}")


def read_table():
    faults = []
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("fault: "):
            faults.append(Fault(line[len("fault: "):].strip(), number))
        elif faults:
            parse_line(faults[-1], line, number)
        else:
            stop(f"{TABLE.relative_to(ROOT)}:{number}: not understood: {line}")
    return faults


def check_table(faults):
    names = set()
    for fault in faults:
        if fault.name in names:
            stop(f"{fault.where()}: there is another fault of that name")
        names.add(fault.name)
        if not fault.file or not (ROOT / fault.file).is_file():
            stop(f"{fault.where()}: no such file: {fault.file}")
        if fault.layer() not in TESTED_BY:
            stop(f"{fault.where()}: {fault.file} is in none of {', '.join(TESTED_BY)}")
        if not fault.old or fault.old == fault.new:
            stop(f"{fault.where()}: nothing is replaced")
        fault.planted_in((ROOT / fault.file).read_text())


def tests_of(layer):
    """(name, executable) of each unit test of the layer."""
    text = (ROOT / "tests/CMakeLists.txt").read_text()
    names = re.findall(rf"^freshet_unit_test\(({layer}/\w+) ", text, re.MULTILINE)
    return [(name, "test_" + name.split("/")[1]) for name in names]


def copy_tree():
    """Only what has changed is written, so that little is built again."""
    if COPY.exists():
        for path in sorted(COPY.rglob("*")):
            if path.is_file() and not (ROOT / path.relative_to(COPY)).is_file():
                path.unlink()
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode()
    for name in names.split("\0"):
        source, target = ROOT / name, COPY / name
        if not name or not source.is_file():
            continue
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def configure():
    result = subprocess.run(
        ["cmake", "-S", COPY, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=None",
         "-DCMAKE_C_FLAGS=-O1", "-DCMAKE_CXX_FLAGS=-O1", "-DFRESHET_WERROR=OFF"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        stop("cmake failed\n" + result.stdout)


def build(layers, jobs):
    """None, or what the compiler said."""
    targets = [program for layer in layers for _, program in tests_of(layer)]
    result = subprocess.run(["cmake", "--build", BUILD, "-j", str(jobs), "--target", *targets],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return None if result.returncode == 0 else result.stdout


def no_core_file():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def resident_bytes(pid):
    """Not the address space, of which jemalloc reserves much and uses little."""
    try:
        pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if pages else 0


class Run:
    """One test program under way."""

    def __init__(self, name, program):
        self.name = name
        self.began = time.monotonic()
        self.log = BUILD / f"{program}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([BUILD / "tests" / program], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT,
                                            preexec_fn=no_core_file)

    def verdict(self):
        """None: not yet; "": it passed; else what it says against the fault."""
        if self.process.poll() is None:
            if time.monotonic() - self.began >= TEST_SECONDS_MAX:
                self.kill()
                return f"{self.name}: no end (infinite loop)"
            if resident_bytes(self.process.pid) > TEST_BYTES_MAX:
                self.kill()
                return f"{self.name}: no end of memory"
            return None
        if self.process.returncode == 0:
            return ""
        log = self.log.read_text(errors="replace")
        case = re.search(r"^\[  FAILED  \] (\w+)", log, re.MULTILINE)
        if case:
            return f"{self.name}: {case[1]}"
        return f"{self.name}: exit code {self.process.returncode}"

    def kill(self):
        self.process.kill()
        self.process.wait()


def run_tests(layer, jobs):
    """What the first test says that fails, or None."""
    waiting = tests_of(layer)
    running = []
    caught = None
    while not caught and (waiting or running):
        while waiting and len(running) < jobs:
            running.append(Run(*waiting.pop(0)))
        time.sleep(0.01)
        for run in list(running):
            verdict = run.verdict()
            if verdict is not None:
                running.remove(run)
                caught = caught or verdict
    for run in running:
        run.kill()
    return caught


class DoesNotCompile(Exception):
    pass


def try_layers(fault, jobs):
    """The test that fails, or None."""
    for layer in TESTED_BY[fault.layer()]:
        said = build([layer], jobs)
        if said:
            raise DoesNotCompile(next((line for line in said.splitlines() if "error:" in line), said))
        caught = run_tests(layer, jobs)
        if caught:
            return caught
    return None


def try_fault(fault, jobs):
    path = COPY / fault.file
    text = path.read_text()
    path.write_text(fault.planted_in(text))
    try:
        return try_layers(fault, jobs)
    finally:
        path.write_text(text)


def try_all(faults, jobs):
    survivors = []
    equivalent = 0
    for number, fault in enumerate(faults, 1):
        began = time.monotonic()
        try:
            caught, error = try_fault(fault, jobs), None
        except DoesNotCompile as exception:
            caught, error = None, exception
        if error:
            outcome = f"DOES NOT COMPILE: {error}"
            survivors.append(fault.name)
        elif caught and fault.equivalent:
            outcome = f"caught, though marked as equivalent, by {caught}"
            survivors.append(fault.name)
        elif caught:
            outcome = f"caught by {caught}"
        elif fault.equivalent:
            outcome = f"equivalent: {fault.equivalent}"
            equivalent += 1
        else:
            outcome = "NOT CAUGHT"
            survivors.append(fault.name)
        print(f"[{number}/{len(faults)}] {fault.name} ({fault.file}, "
              f"{time.monotonic() - began:.0f} s): {outcome}", flush=True)
    caught_count = len(faults) - equivalent - len(survivors)
    print(f"mutation: {len(faults)} faults, {caught_count} caught, {equivalent} equivalent, "
          f"{len(survivors)} to be looked at" + "".join(f"\n  {name}" for name in survivors))
    return survivors


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="list the faults and try none")
    parser.add_argument("--only", metavar="NAME", action="append",
                        help="try this fault, or all whose names have it in them; may be repeated")
    parser.add_argument("--jobs", metavar="N", type=int, default=min(2, os.cpu_count() or 1),
                        help="compile and run so many at a time (default: at most 2)")
    args = parser.parse_args()

    faults = read_table()
    check_table(faults)
    if args.only:
        faults = [fault for fault in faults if fault.name in args.only] or \
                 [fault for fault in faults if any(part in fault.name for part in args.only)]
        if not faults:
            stop(f"no fault is named {' or '.join(args.only)}: see --list")
    if args.list:
        for fault in faults:
            print(f"{fault.name} ({fault.file})" + (" equivalent" if fault.equivalent else ""))
        print(f"{len(faults)} faults")
        return 0

    os.nice(5)
    copy_tree()
    configure()
    concerned = {layer for fault in faults for layer in TESTED_BY[fault.layer()]}
    for layer in sorted(concerned):  # the tests must pass when nothing is wrong
        said = build([layer], args.jobs) or run_tests(layer, args.jobs)
        if said:
            stop(f"without any fault: {said}")
    return 1 if try_all(faults, args.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
