"""Shards share nothing: in steady state no cache line is written by two of them.

    make sharing                             (ARGS="--example fraud")

A build whose writes are watched (tests/support/line_watch.c) reads a topic with two shards, to Redis, a
file and the feature topic, with checkpoints; watched is the middle of the run. Once with aligned
partitions, once shuffled, where events and times go from shard to shard through mailboxes: there,
too, each line has one writer. A line that changes hands is named by the two places in the source
that write to it, unless it does so a few times only, as memory that was freed and used again.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import kafka
from engine import Engine, admin_address
from harness import ROOT
from metrics import RECORDS, parse, total
from process import Failure
from redis_server import RedisServer

PARTITIONS = 8
EVENTS = 300_000
USERS = 5_000
HOURS = 3
WATCHED = (0.3, 0.8)  # from and to what share of the events
HANDOVERS_MAX = 10  # of one pair of places
WAKE_UP = {"loop_wake", "wake_done"}  # the flag by which one shard wakes another, alone on its line
SECONDS = 300


def main():
    options = parse_options()
    failed = False
    with tempfile.TemporaryDirectory(prefix="freshet-sharing-") as name:
        folder = Path(name)
        with kafka.Broker(folder / "broker") as broker:
            text = yaml.safe_load((ROOT / f"examples/{options.example}.yaml").read_text())
            (source,) = text["sources"].values()
            broker.create_topic(source["topic"], PARTITIONS)
            broker.create_topic("features", PARTITIONS)
            subprocess.run([options.traffic, broker.address, options.example,
                            *map(str, (EVENTS, USERS, HOURS))], check=True,
                           stdout=subprocess.DEVNULL)
            for partitioning in ("aligned", "shuffle"):
                records, found = watch(text, partitioning, options.engine, broker, folder)
                print(f"{partitioning}: {records:,} events watched, "
                      f"{len(found)} pairs of places write to one line" + (":" if found else ""))
                for handovers, places in found:
                    print(f"  {handovers} times, the last writers:")
                    for place in places:
                        print(f"    {place}")
                failed = failed or bool(found)
    print("sharing: FAILED" if failed else "sharing: passed, each line has one shard that writes")
    return 1 if failed else 0


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--example", default="user_activity")
    parser.add_argument("--engine", type=Path, default=ROOT / "build/lines/freshet")
    parser.add_argument("--traffic", type=Path, default=ROOT / "build/release/traffic")
    return parser.parse_args()


def watch(text, partitioning, program, broker, folder):
    """How many events were read meanwhile, and [(handovers, (place, place))], the most first."""
    place = folder / partitioning
    place.mkdir()
    lines, path, address = place / "lines", place / "pipeline.yaml", admin_address()
    with RedisServer(place / "redis", unix=True) as redis:
        path.write_text(pipeline(text, partitioning, broker, redis, place, address))
        environment = {"FRESHET_WATCH_LINES": str(lines)}
        with Engine(program, path, environment=environment) as engine:
            first = await_records(engine, address, EVENTS * WATCHED[0])
            Path(f"{lines}.begin").touch()
            last = await_records(engine, address, EVENTS * WATCHED[1])
            Path(f"{lines}.end").touch()
            while not lines.exists():
                engine.expect_running()
                time.sleep(0.05)
            engine.terminate()
    return last - first, judged(lines, program)


def judged(lines, program):
    pairs = {}
    for line in lines.read_text().splitlines():
        handovers, _, before, _, after, _ = line.split()
        pair = tuple(sorted((before, after)))
        pairs[pair] = pairs.get(pair, 0) + int(handovers)
    found = [(handovers, tuple(where(program, place) for place in pair))
             for pair, handovers in pairs.items() if handovers > HANDOVERS_MAX]
    return sorted((one for one in found if not {place.split()[0] for place in one[1]} <= WAKE_UP),
                  reverse=True)


def await_records(engine, address, count):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        engine.expect_running()
        status, text = engine.get(address, "/metrics")
        if status == 200 and (records := total(parse(text), RECORDS)) >= count:
            return int(records)
        time.sleep(0.05)
    raise Failure(f"{count} records were not read within {SECONDS} s")


def pipeline(text, partitioning, broker, redis, place, address):
    (source,) = text["sources"].values()
    source["partitioning"] = partitioning
    source.pop("late_topic", None)
    source.pop("dead_letter_topic", None)
    text["kafka"] = {"brokers": broker.address, "group": f"sharing-{partitioning}"}
    text["redis"]["url"] = redis.url()
    text["outputs"] = {"file": {"path": str(place / "rows.ndjson")},
                       "kafka": {"topic": "features", "transactional": False}}
    text["engine"] = {"shards": 2}
    text["admin"] = {"listen": address}
    text["state"] = {"dir": str(place / "state")}
    text["checkpoint"] = {"every": "1s", "min_pause": "0s"}
    return yaml.safe_dump(text, sort_keys=False)


def where(program, place):
    """A return address as functions and lines, the caller of inlined ones last."""
    at = hex(int(place, 16) - 1)
    said = subprocess.run(["addr2line", "-Cpfis", "-e", program, at], check=True,
                          capture_output=True, text=True).stdout
    return " < ".join(line.removeprefix(" (inlined by) ") for line in said.splitlines())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"{failure}\nsharing: FAILED")
        sys.exit(1)
