"""How long a start takes that goes on from a checkpoint, and what state takes in memory and on disk.

    /usr/bin/python3 bench/recovery.py --users 1500000 --events 4000000

Starts a broker, makes events of so many users, and runs the engine over them to the end. Then some
more events are sent and it is started again: the time from the start of the process until its
shards have all the state and records are fetched, and until the new events are computed and a
checkpoint of them is in force. Bytes a key are those of the last checkpoint's folder, and of the
shards' arenas.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/integration"), str(ROOT / "bench")]

import kafka
import pipeline as common
import yaml

LINE = re.compile(r"^(\S+Z) \S+ +(.*)$", re.M)
MORE_EVENTS = 1000


def main():
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as name:
        folder = Path(name)
        with kafka.Broker(folder / "broker") as broker:
            print(f"{'example':18}{'shards':>7}{'keys':>11}{'disk B/key':>12}{'memory B/key':>14}"
                  f"{'verified':>10}{'loaded':>9}{'fetching':>10}{'in force':>10}   (s)")
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
    path.write_text(common.pipeline(document, None, "none", shards, broker, place, options))

    run(options, path)
    keys, disk = last_checkpoint(place / "state/checkpoints")
    send(options, broker, example, MORE_EVENTS)
    messages = run(options, path)
    memory = int(re.search(r"(\d+) bytes of state", messages)[1])
    began = time_of(messages, "freshet ")
    loaded = float(re.search(r"state of \S+ in ([\d.]+) s", messages)[1])
    fetching = time_of(messages, "assigned ") - began
    in_force = time_of(messages, "done: ") - began
    print(f"{example:18}{shards:>7}{keys:>11,}{disk / keys:>12.0f}{memory / keys:>14.0f}"
          f"{fetching - loaded:>10.2f}{loaded:>9.2f}{fetching:>10.2f}{in_force:>10.2f}", flush=True)


made = set()


def send(options, broker, example, events):
    subprocess.run([options.build / "traffic", broker.address, example, str(events),
                    str(options.users), str(options.hours)], check=True, capture_output=True)


def run(options, path):
    ended = subprocess.run([options.build / "freshet", "run", path, "--bounded"],
                           capture_output=True, text=True, timeout=900)
    if ended.returncode != 0:
        sys.exit(f"freshet ended with {ended.returncode}:\n{ended.stderr}")
    return ended.stderr


def time_of(messages, beginning):
    for at, text in LINE.findall(messages):
        if text.startswith(beginning):
            return datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
    sys.exit(f"no line begins with {beginning!r}:\n{messages}")


def last_checkpoint(folder):
    """Keys, and bytes of the entries that are live: what is in its folder."""
    newest = max(folder.iterdir())
    size = sum(file.stat().st_size for file in newest.rglob("*") if file.is_file())
    return keys_of(newest), size


def keys_of(folder):
    """As the checkpoint itself says."""
    program = ROOT / "build/release/freshet"
    pipeline = next(folder.parents[2].glob("pipeline.yaml"))
    said = subprocess.run([program, "checkpoint", "inspect", pipeline, folder.name, "--json"],
                          check=True, capture_output=True, text=True)
    return json.loads(said.stdout)["keys"]


if __name__ == "__main__":
    main()
