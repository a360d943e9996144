"""A broker whose topics stay from one bench to the next: events are made once.

    build/bench-cache/broker/     data of the broker, which is stopped, not killed, when a bench ends
    user_activity.2000000-50000-3-1.5f3a9c2e     a topic: example, events, users, hours, seed, and by
                                                 what program they were made

A topic that does not hold all its events, since the bench that made it was interrupted, is made
anew. One bench at a time may have the cache; `rm -r build/bench-cache` empties it.
"""

import contextlib
import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

import kafka

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build/bench-cache"
PARTITIONS = 16
SOURCES = ("bench/traffic.c", "src/cli/traffic.c")  # of the program that makes events


@contextlib.contextmanager
def broker():
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another bench uses {FOLDER}")
        with kafka.Broker(FOLDER / "broker", kept=True) as started:
            yield started


def events(broker, build, example, count, users, hours, seed):
    """The topic's name, and whether it was there."""
    made_by = hashlib.sha256(b"".join((ROOT / path).read_bytes() for path in SOURCES)).hexdigest()
    topic = f"{example}.{count}-{users}-{hours}-{seed}.{made_by[:8]}"
    if broker.partitions(topic):
        if sum(broker.end_offsets(topic).values()) == count:
            return topic, True
        broker.delete_topic(topic)
    broker.create_topic(topic, PARTITIONS)
    numbers = map(str, (count, users, hours, seed))
    subprocess.run([build / "traffic", broker.address, example, *numbers, topic], check=True,
                   stdout=subprocess.DEVNULL)
    return topic, False
