"""Integration tests of freshet against a real Kafka broker and real Redis servers.

    /usr/bin/python3 tests/integration/run.py                      all tests
    /usr/bin/python3 tests/integration/run.py --filter random/     those whose name has that in it
    /usr/bin/python3 tests/integration/run.py --self-test          the harness itself, no engine

What the engine leaves behind is compared with the reference in tests/reference. Everything random
comes from --seed, which a failure prints with the command that repeats it. Only loopback is used;
all processes and files that the run creates are gone when it ends.
"""

import argparse
import gc
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import kafka
from harness import ROOT, TESTS, Lab
from process import Failure

HEAVY = ["cluster/older"]  # only if --filter asks for tests of its kind
DEFAULT_ENGINE = ROOT / "build/release/freshet"


def main():
    # Millions of rows and no cycles: the default has the collector look at them again and again.
    gc.set_threshold(100_000, 50, 1000)
    options = parse_options()
    register_tests(options)
    names = chosen(options)
    if options.list:
        print("\n".join(names))
        return 0
    program = Path(options.engine).resolve()
    if not options.self_test and not program.is_file():
        print(f"no engine at {program}: build it with `make`, or name it with --engine")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: with a clean-up
    try:
        failed = run_all(names, program, options)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", default=DEFAULT_ENGINE, help="the program to test")
    parser.add_argument("--filter", default="", metavar="NAME[,NAME…]",
                        help="just tests that are called so, or so")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of everything random (default 1)")
    parser.add_argument("--cases", type=int, default=30, help="random pipelines (default 30)")
    parser.add_argument("--crashes", type=int, default=6, metavar="N",
                        help="so many of these places, unless --filter asks for them (default 6)")  # fmt: skip
    parser.add_argument("--fetch", choices=("native", "librdkafka"),
                        help="who fetches (default: whoever the engine chooses, native)")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--self-test", action="store_true", help="test the harness, no engine")
    return parser.parse_args()


def register_tests(options):
    """Importing a module registers its tests; the random ones depend on the options."""
    if options.self_test:
        import test_self  # noqa: F401
        return
    import test_batching  # noqa: F401
    import test_bench  # noqa: F401
    import test_checkpoint_commands  # noqa: F401
    import test_checkpoints  # noqa: F401
    import test_cluster  # noqa: F401
    import test_crashes
    import test_examples  # noqa: F401
    import test_feature_topic  # noqa: F401
    import test_fetch_torture  # noqa: F401
    import test_group  # noqa: F401
    import test_readme  # noqa: F401
    import test_input  # noqa: F401
    import test_live  # noqa: F401
    import test_memory  # noqa: F401
    import test_observe  # noqa: F401
    import test_outages  # noqa: F401
    import test_random
    import test_recovery  # noqa: F401
    import test_start  # noqa: F401
    import test_takeover  # noqa: F401
    import test_wire  # noqa: F401

    test_random.register(options.cases)
    options.crash_cases = test_crashes.register()


def chosen(options):
    """Of the places to be killed at only a few, unless they are asked for: others for each commit."""

    names = [name for name in TESTS if any(part in name for part in options.filter.split(","))]
    if "cluster/" not in options.filter:
        names = [name for name in names if name not in HEAVY]
    if options.self_test or "crash/" in options.filter:
        return names
    import test_crashes

    key = f"{options.seed} {commit()}"
    some = set(test_crashes.sample(options.crash_cases, options.crashes, key))
    return [name for name in names if name in some or name not in options.crash_cases]


def commit():
    """Of this tree, or nothing if it is none of git's."""
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def run_all(names, program, options):
    """Run the tests one after the other, all with one broker; returns how many failed."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="freshet-test-") as folder:
        with kafka.Broker(Path(folder) / "broker") as broker:
            for place, name in enumerate(names, 1):
                print(f"[{place}/{len(names)}] {name} … ", end="", flush=True)
                started = time.monotonic()
                problem = run_one(
                    name, Path(folder) / f"test-{place}", program, broker, options
                )
                took = time.monotonic() - started
                print(f"{'FAILED' if problem else 'ok'} ({took:.1f} s)", flush=True)
                if problem:
                    failed += 1
                    print(f"{problem}\n  again: {replay_command(name, options)}", flush=True)
    return failed


def run_one(name, folder, program, broker, options):
    """None, or what went wrong as text for a person."""
    folder.mkdir()
    try:
        broker.ensure_running()
        with Lab(name, folder, program, broker, options.seed, options.fetch) as lab:
            TESTS[name](lab)
    except Failure as failure:
        return "\n".join("  " + line for line in str(failure).splitlines())
    except Exception:  # a broken test fails; the others still run
        return traceback.format_exc()
    return None


def replay_command(name, options):
    parts = ["/usr/bin/python3 tests/integration/run.py"]
    parts += [f"--filter {name}", f"--seed {options.seed}"]
    if options.self_test:
        parts.append("--self-test")
    elif Path(options.engine) != DEFAULT_ENGINE:
        parts.append(f"--engine {options.engine}")
    if options.fetch:
        parts.append(f"--fetch {options.fetch}")
    if name.startswith("random/"):
        parts.append(f"--cases {options.cases}")
    return " ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
