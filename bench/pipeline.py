"""Events per second and CPU per event of the example pipelines, on a real Kafka broker.

    make bench                                       user_activity, sink none and Redis
    /usr/bin/python3 bench/pipeline.py --events 2000000 --example fraud --shards 1 2

Starts a broker and, for the Redis column, a private redis-server; makes the events once; then runs the
engine over them to the end (`freshet run --bounded`) and takes its own word for events, rows and CPU:
user and system time of all its threads, Kafka client included, from the engine's creation to its last
acknowledged write. Absolute times depend on the machine and on what else it does; CPU per event and
the ratios within one run do so less. `--json` adds one line a run for later comparison.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/integration")]

import kafka
import yaml
from redis_server import RedisServer

PARTITIONS = 16
SINKS = ("none", "file", "redis")
DONE = re.compile(
    r"done: (\d+) records, (\d+) events, (\d+) dead letters, (\d+) late, (\d+) rows, "
    r"(\d+) Redis writes in ([\d.]+) s, ([\d.]+) s of CPU"
)


def main():
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        with kafka.Broker(Path(folder) / "broker") as broker:
            for example in options.example:
                bench(example, broker, Path(folder), options)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=ROOT / "build/release", type=Path, help="build folder")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--hours", type=int, default=3, help="of event time (default 3)")
    parser.add_argument("--example", nargs="+", default=["user_activity"])
    parser.add_argument("--sinks", nargs="+", default=["none", "redis"], choices=SINKS)
    parser.add_argument("--shards", nargs="+", type=int, default=[1])
    parser.add_argument("--checkpoints", nargs="+", default=["30s"], metavar="EVERY",
                        help="from one checkpoint to the next, to compare (default 30s)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, the best one counts")
    parser.add_argument("--json", type=Path, help="append each run to this file")
    parser.add_argument("--keep-late", action="store_true", help="write late and dead letters too")
    return parser.parse_args()


def bench(example, broker, folder, options):
    document = yaml.safe_load((ROOT / f"examples/{example}.yaml").read_text())
    (source,) = document["sources"].values()
    broker.create_topic(source["topic"], PARTITIONS)
    if options.keep_late:
        for name in ("late_topic", "dead_letter_topic"):
            broker.create_topic(source[name], 1)
    made = subprocess.run(
        [options.build / "traffic", broker.address, example, str(options.events),
         str(options.users), str(options.hours)],
        check=True, capture_output=True, text=True,
    )
    print(f"{example}: {made.stdout.strip()}, {options.users} users, {options.hours} h, "
          f"{PARTITIONS} partitions, partitioning {source.get('partitioning', 'shuffle')}")
    print(f"{'sink':8}{'shards':>7}{'every':>7}{'events/s':>12}{'CPU us/event':>14}{'rows':>12}"
          f"{'Redis writes':>14}")
    for sink in options.sinks:
        for shards in options.shards:
            for every in options.checkpoints:
                runs = [run(document, sink, shards, every, broker, folder, options)
                        for _ in range(options.repeat)]
                report(min(runs, key=lambda one: one["cpu_us_per_event"]))
                if options.json:
                    with options.json.open("a") as out:
                        for one in runs:
                            print(json.dumps({"example": example, **one}), file=out)


def run(document, sink, shards, every, broker, folder, options):
    number = sum(1 for _ in folder.iterdir())
    place = folder / f"run-{number}"
    place.mkdir()
    server = RedisServer(place / "redis", unix=True) if sink == "redis" else None
    try:
        if server:
            server.start()
        path = place / "pipeline.yaml"
        text = pipeline(document, server, sink, shards, broker, place, options)
        path.write_text(text + f"checkpoint: {{every: {every}, min_pause: 0s}}\n")
        began = time.time()
        ended = subprocess.run([options.build / "freshet", "run", path, "--bounded"],
                               capture_output=True, text=True, timeout=600)
        if ended.returncode != 0:
            sys.exit(f"freshet ended with {ended.returncode}:\n{ended.stderr}")
        return {**measured(ended.stderr, sink, shards, began), "every": every}
    finally:
        if server:
            server.stop()


def pipeline(document, server, sink, shards, broker, place, options):
    text = json.loads(json.dumps(document))
    text["kafka"] = {"brokers": broker.address, "group": f"bench-{place.name}"}
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


def measured(messages, sink, shards, began):
    records, events, dead, late, rows, writes, seconds, cpu = DONE.search(messages).groups()
    return {
        "at": int(began), "sink": sink, "shards": shards, "events": int(events),
        "events_per_s": round(int(records) / float(seconds)),
        "cpu_us_per_event": round(float(cpu) * 1e6 / int(records), 3),
        "rows": int(rows), "redis_writes": int(writes), "late": int(late), "dead": int(dead),
    }


def report(one):
    print(f"{one['sink']:8}{one['shards']:>7}{one['every']:>7}{one['events_per_s']:>12,}"
          f"{one['cpu_us_per_event']:>14.2f}{one['rows']:>12,}{one['redis_writes']:>14,}", flush=True)


if __name__ == "__main__":
    main()
