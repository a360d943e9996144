"""How long a start takes that goes on from a checkpoint, and what state takes in memory and on disk.

    /usr/bin/python3 bench/recovery.py --users 1000000 --events 4000000

Starts a broker, makes events of so many users, and runs the engine over them to the end. Then some
more events are sent and it is started again: the time from the start of the process until its
shards have all the state, until the first of these events is applied, all of them are, and /ready
says so: a checkpoint of its own is in force. Bytes a key are those of the last checkpoint's folder,
of keys and panes, and of all that the shards' arenas hold.
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
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/integration"), str(ROOT / "bench")]

import kafka
import pipeline as common
import yaml
from engine import Engine, admin_address
from metrics import parse, total

MORE_EVENTS = 1000
POLL_SECONDS = 0.005
COLUMNS = ("disk B/key", "state B/key", "arena B/key", "loaded", "first", "all", "ready")


def main():
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as name:
        folder = Path(name)
        with kafka.Broker(folder / "broker") as broker:
            print(f"{'example':18}{'shards':>7}{'keys':>11}"
                  + "".join(f"{name:>13}" for name in COLUMNS) + "   (s)")
            for example in options.example:
                for shards in options.shards:
                    bench(example, shards, broker, folder, options)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=ROOT / "build/release", type=Path, help="build folder")
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--users", type=int, default=1_500_000)
    parser.add_argument("--hours", type=int, default=3, help="of event time (default 3)")
    parser.add_argument("--example", nargs="+",
                        default=["user_activity", "session_features", "fraud"])
    parser.add_argument("--shards", nargs="+", type=int, default=[1])
    parser.set_defaults(keep_late=False)
    return parser.parse_args()


def bench(example, shards, broker, folder, options):
    document = yaml.safe_load((ROOT / f"examples/{example}.yaml").read_text())
    (source,) = document["sources"].values()
    if source["topic"] not in made:
        broker.create_topic(source["topic"], common.PARTITIONS)
        send(options, broker, example, options.events)
        made.add(source["topic"])
    place = folder / f"{example}-{shards}"
    place.mkdir()
    path = place / "pipeline.yaml"
    text = yaml.safe_load(common.pipeline(document, None, "none", shards, broker, place, options))
    address = admin_address()
    text["admin"] = {"listen": address}
    text["checkpoint"] = {"every": "1s", "min_pause": "0s"}
    path.write_text(yaml.safe_dump(text, sort_keys=False))

    fill(options, path)
    keys, disk = last_checkpoint(options.build, path, place / "state/checkpoints")
    send(options, broker, example, MORE_EVENTS)
    times, state, arena = go_on(options, path, address)
    figures = [disk / keys, state / keys, arena / keys]
    print(f"{example:18}{shards:>7}{keys:>11,}" + "".join(f"{one:>13.0f}" for one in figures)
          + "".join(f"{one:>13.2f}" for one in times), flush=True)


made = set()


def send(options, broker, example, events):
    subprocess.run([options.build / "traffic", broker.address, example, str(events),
                    str(options.users), str(options.hours)], check=True, capture_output=True)


def fill(options, path):
    ended = subprocess.run([options.build / "freshet", "run", path, "--bounded"],
                           capture_output=True, text=True, timeout=900)
    if ended.returncode != 0:
        sys.exit(f"freshet ended with {ended.returncode}:\n{ended.stderr}")


def go_on(options, path, address):
    """The times of a second start, in seconds from its beginning, and bytes of state and arenas."""
    with Engine(options.build / "freshet", path) as engine:
        first = None
        while (samples := sample(engine, address)) is None or total(samples, EVENTS) < MORE_EVENTS:
            if first is None and samples and total(samples, EVENTS) > 0:
                first = time.monotonic() - engine.started
            engine.expect_running()
            time.sleep(POLL_SECONDS)
        after_all = time.monotonic() - engine.started
        engine.wait_ready(address)
        ready = time.monotonic() - engine.started
        time.sleep(1)  # the gauges are sampled
        samples = parse(engine.get(address, "/metrics")[1])
        engine.terminate()
        loaded = re.search(r"state of \S+ in ([\d.]+) s", engine.said())
        return ([float(loaded[1]), first or after_all, after_all, ready],
                total(samples, "freshet_state_bytes"), total(samples, "freshet_arena_bytes"))


EVENTS = "freshet_events_total"


def sample(engine, address):
    status, text = engine.get(address, "/metrics")
    return parse(text) if status == 200 else None


def last_checkpoint(build, path, folder):
    """Its keys, as it says itself, and the bytes of its files."""
    newest = max(folder.iterdir())
    size = sum(file.stat().st_size for file in newest.rglob("*") if file.is_file())
    said = subprocess.run([build / "freshet", "checkpoint", "inspect", path, newest.name, "--json"],
                          check=True, capture_output=True, text=True)
    return json.loads(said.stdout)["keys"], size


if __name__ == "__main__":
    main()
