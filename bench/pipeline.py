"""What the example pipelines cost on a real Kafka broker: events a second, CPU per event, memory.

    make bench                              the examples, sinks none, file and Redis, 1 and 2 shards
    make bench ARGS="--example fraud --sinks none redis --linger 5ms 0s --repeat 3"

Starts a broker, which keeps the events that it was given for the next time (bench/cached.py), and for
Redis a private redis-server. Each run reads all events to the end (`freshet run --bounded`). The
engine's own word counts for events, rows and CPU: user and system time of all its threads, Kafka
client included, from the engine's creation to its last acknowledged write. Threads, memory, Redis and
the broker are watched through /proc, stages through the admin pages until shortly before the end.
Every run is a line of build/bench-history.ndjson too. docs/PERFORMANCE.md says how to read both.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/integration")]

import cached
import procfs
import yaml
from engine import Engine, admin_address
from metrics import parse, total
from process import Failure
from redis_server import RedisServer

PARTITIONS = cached.PARTITIONS
SINKS = ("none", "file", "redis")
POLL_SECONDS = 0.25  # of the engine's metrics
RUN_SECONDS = 900
OF_LIVE_TRAFFIC = ("fetch", "end_to_end")  # stages from the record's time on, which is long ago
DONE = re.compile(
    r"done: (\d+) records, (\d+) events, (\d+) dead letters, (\d+) late, (\d+) rows, "
    r"(\d+) Redis writes in ([\d.]+) s, ([\d.]+) s of CPU"
)
#          title, width, digits, what of a run
COLUMNS = [
    ("events/s", 11, 0, lambda one: one["events_per_s"]),
    ("CPU", 7, 2, lambda one: one["cpu_us_per_event"]),
    ("shards", 8, 2, lambda one: sum(of_shards(one["threads_us_per_event"]))),
    ("control", 8, 2, lambda one: one["threads_us_per_event"].get("control", 0)),
    ("Kafka", 7, 2, lambda one: one["threads_us_per_event"].get("kafka", 0)),
    ("RocksDB", 8, 2, lambda one: one["threads_us_per_event"].get("rocksdb", 0)),
    ("decode", 8, 0, lambda one: median_ns(one, "decode")),
    ("apply", 7, 0, lambda one: median_ns(one, "apply")),
    ("rows/s", 11, 0, lambda one: one["rows_per_s"]),
    ("RSS MiB", 9, 0, lambda one: one["peak_rss_bytes"] / 2**20),
    ("B/key", 7, 0, lambda one: one["state_bytes_per_key"]),
    ("broker", 8, 2, lambda one: one["broker_us_per_event"]),
    ("Redis", 7, 2, lambda one: one["redis_us_per_event"]),
    ("writes", 8, 3, lambda one: one["redis_writes"] / one["records"]),
]


def main():
    options = parse_options()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    with cached.broker() as broker, tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        for example in options.example:
            bench(example, broker, Path(folder), options)
    print(f"\neach run is a line of {options.json}")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=ROOT / "build/release", type=Path, help="build folder")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--hours", type=int, default=3, help="of event time (default 3)")
    parser.add_argument("--seed", type=int, default=1, help="of the events")
    parser.add_argument("--example", nargs="+",
                        default=["user_activity", "session_features", "fraud"])
    parser.add_argument("--sinks", nargs="+", default=SINKS, choices=SINKS)
    parser.add_argument("--shards", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--linger", nargs="+", default=["5ms", "0s"],
                        help="of Redis writes, to compare: 0s sends as soon as it can")
    parser.add_argument("--checkpoints", nargs="+", default=["30s"], metavar="EVERY",
                        help="from one checkpoint to the next, to compare (default 30s)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, the best one counts")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench-history.ndjson",
                        help="append each run to this file")
    parser.add_argument("--keep-late", action="store_true", help="write late and dead letters too")
    return parser.parse_args()


def bench(example, broker, folder, options):
    document = yaml.safe_load((ROOT / f"examples/{example}.yaml").read_text())
    (source,) = document["sources"].values()
    if options.keep_late:
        for name in ("late_topic", "dead_letter_topic"):
            if not broker.partitions(source[name]):
                broker.create_topic(source[name], 1)
    source["topic"], was_there = cached.events(broker, options.build, example, options.events,
                                               options.users, options.hours, options.seed)
    print(f"\n{example}: {options.events:,} events{', kept from before' if was_there else ''}, "
          f"{options.users:,} users, {options.hours} h, {PARTITIONS} partitions, "
          f"{source.get('partitioning', 'shuffle')}; us of CPU and ns of a stage per event")
    print(f"{'sink':12}{'shards':>7}{'every':>7}" +
          "".join(f"{title:>{width}}" for title, width, _, _ in COLUMNS))
    about = {"example": example, "users": options.users, "hours": options.hours,
             "seed": options.seed, **origin()}
    best = []
    for sink, linger, shards, every in cases(options):
        runs = [run(document, sink, linger, shards, every, broker, folder, options)
                for _ in range(options.repeat)]
        with options.json.open("a") as out:
            for one in runs:
                print(json.dumps({**about, **one}), file=out)
        best.append(min(runs, key=lambda one: one["cpu_us_per_event"]))
        report(best[-1])
    print_state(best)
    print_scaling(best)


def cases(options):
    for sink in options.sinks:
        for linger in options.linger if sink == "redis" else [None]:
            for shards in options.shards:
                for every in options.checkpoints:
                    yield sink, linger, shards, every


def origin():
    """Of what source and on what machine."""
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True,
                         text=True)
    return {"git": git.stdout.strip(), "host": procfs.host()}


# One run


def run(document, sink, linger, shards, every, broker, folder, options):
    number = sum(1 for _ in folder.iterdir())
    place = folder / f"run-{number}"
    place.mkdir()
    server = RedisServer(place / "redis", unix=True) if sink == "redis" else None
    began = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    try:
        if server:
            server.start()
        path = place / "pipeline.yaml"
        text = yaml.safe_load(pipeline(document, server, sink, shards, broker, place, options))
        if linger:
            text["redis"]["linger"] = linger
        text["checkpoint"] = {"every": every, "min_pause": "0s"}
        text["admin"]["listen"] = admin_address()
        path.write_text(yaml.safe_dump(text, sort_keys=False))
        others = {"broker": broker.child.pid, **({"redis": server.child.pid} if server else {})}
        before = {name: procfs.cpu_seconds(pid) for name, pid in others.items()}
        said, *seen = watched(options.build / "freshet", path, text["admin"]["listen"])
        spent = {name: procfs.cpu_seconds(pid) - before[name] for name, pid in others.items()}
        return {"at": began, "sink": sink, "linger": linger, "shards": shards, "every": every,
                **measured(said, *seen, spent)}
    except Failure as failure:
        sys.exit(str(failure))
    finally:
        if server:
            server.stop()


def pipeline(document, server, sink, shards, broker, place, options):
    text = json.loads(json.dumps(document))
    # The broker outlives the state that a committed offset names: each group is used once.
    group = f"bench-{os.getpid()}-{time.time_ns()}-{place.name}"
    text["kafka"] = {"brokers": broker.address, "group": group}
    text.pop("redis", None)
    if server:
        text["redis"] = {**document["redis"], "url": server.url()}
    if sink == "file":
        text["outputs"] = {"file": {"path": "/dev/null"}}
    if not options.keep_late:
        for source in text["sources"].values():
            source.pop("late_topic", None)
            source.pop("dead_letter_topic", None)
    text["engine"] = {"shards": shards}
    text["admin"] = {"listen": "127.0.0.1:0"}
    text["state"] = {"dir": str(place / "state")}
    return yaml.safe_dump(text, sort_keys=False)


def watched(program, path, address):
    """What the engine said, its last metrics and percentiles of stages, what /proc said of it."""
    samples, latencies = {}, {}
    with Engine(program, path, bounded=True) as engine:
        sampler = procfs.Sampler(engine.child.pid)
        sampler.start()
        deadline = time.monotonic() + RUN_SECONDS
        while engine.child.poll() is None and time.monotonic() < deadline:
            status, text = engine.get(address, "/metrics")
            if status == 200:
                samples = parse(text)
            status, text = engine.get(address, "/status")
            if status == 200:
                latencies = json.loads(text)["latency_us"]
            time.sleep(POLL_SECONDS)
        sampler.end()
        engine.expect_exit(0, 1)
        return engine.said(), samples, latencies, sampler


def measured(said, samples, latencies, sampler, spent):
    records, events, dead, late, rows, writes, seconds, cpu = map(float, DONE.search(said).groups())
    keys = total(samples, "freshet_keys") or 1
    views = {labels["view"] for labels, _ in samples.get("freshet_view_state_bytes", [])}
    per_event = 1e6 / records
    return {
        "records": int(records), "events": int(events), "late": int(late), "dead": int(dead),
        "rows": int(rows), "redis_writes": int(writes), "seconds": seconds,
        "events_per_s": round(records / seconds), "rows_per_s": round(rows / seconds),
        "cpu_us_per_event": round(cpu * per_event, 3),
        "threads_us_per_event": {name: round(one * per_event, 3)
                                 for name, one in sampler.cpu().items()},
        "stages_us": {stage: one for stage, one in latencies.items()
                      if one["count"] and stage not in OF_LIVE_TRAFFIC},
        "peak_rss_bytes": sampler.peak_bytes,
        "keys": int(keys),
        "state_bytes_per_key": round(total(samples, "freshet_state_bytes") / keys),
        "view_bytes_per_key": {view: round(total(samples, "freshet_view_state_bytes", view=view)
                                           / keys) for view in sorted(views)},
        "broker_us_per_event": round(spent["broker"] * per_event, 3),
        "redis_us_per_event": round(spent.get("redis", 0) * per_event, 3),
    }


def median_ns(one, stage):
    """The mean is no use where a shard shares its core: what it waits for is in it."""
    return one["stages_us"].get(stage, {}).get("p50", 0) * 1000


def of_shards(threads):
    return [spent for name, spent in threads.items() if name.startswith("shard-")]


# What is said


def report(one):
    sink = one["sink"] + (f" {one['linger']}" if one["linger"] else "")
    print(f"{sink:12}{one['shards']:>7}{one['every']:>7}" +
          "".join(f"{of(one):>{width},.{digits}f}" for _, width, digits, of in COLUMNS), flush=True)


def print_state(runs):
    views = max(runs, key=lambda one: one["keys"])["view_bytes_per_key"]
    print("state per key: " + ", ".join(f"{view} {size} B" for view, size in views.items()))


def print_scaling(runs):
    """How much more CPU an event takes with two shards than with one."""
    by_case = {(one["sink"], one["linger"], one["every"], one["shards"]): one["cpu_us_per_event"]
               for one in runs}
    grown = [f"{sink}{f' {linger}' if linger else ''} {(by_case[sink, linger, every, 2] / cpu - 1):+.0%}"
             for (sink, linger, every, shards), cpu in by_case.items()
             if shards == 1 and (sink, linger, every, 2) in by_case]
    if grown:
        print(f"CPU per event, 1 -> 2 shards (10 % more is allowed): {', '.join(grown)}")


if __name__ == "__main__":
    main()
