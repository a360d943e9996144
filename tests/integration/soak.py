"""Minutes of load with everything being killed, in the end compared with the reference: no row lost, none
there twice.

    make soak MINUTES=10 SEED=7

Records come in all the time. At random moments the engine is killed, stopped or frozen, and started with
another number of shards; Redis is killed and comes back as it was or empty; the broker is killed or
restarted. Expected of a Redis that comes back empty: every key is written again, whole, by the engine
that has written it, so that Redis is emptied only if this one has written them all. An engine may end by itself only if the broker was away in its life. Then all is
drained, and file, feature topic, Redis, late records and dead letters are judged. The seed decides
the records and the order of the events, not their exact moments.
"""

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import kafka
from harness import ROOT, Lab, require
from process import Failure, wait_until
from story import Story, no_way_back, watched

RECORDS_PER_SECOND = 250
PART_SECONDS = 0.4
EVENTS = {
    "engine killed": 8,
    "engine stopped": 3,
    "engine frozen": 2,
    "Redis killed": 2,
    "Redis killed and emptied": 1,
    "broker restarted": 1,
    "broker killed": 1,
}


def main():
    options = parse_options()
    seed = options.seed
    print(f"soak: {options.minutes} minutes, seed {seed}, {options.partitioning}", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="freshet-soak-") as folder:
            with kafka.Broker(Path(folder) / "broker") as broker:
                name = f"soak/{seed}"
                (Path(folder) / "soak").mkdir()
                with Lab(name, Path(folder) / "soak", options.engine, broker, seed) as lab:
                    Soak(lab, options).run()
    except (Failure, AssertionError) as failure:
        print(f"{failure}\nsoak: FAILED")
        print(f"again: make soak MINUTES={options.minutes} SEED={seed} "
              f"ARGS='--partitioning {options.partitioning}'")  # fmt: skip
        return 1
    print("soak: ok, nothing lost, nothing twice")
    return 0


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--partitioning", choices=("aligned", "shuffle"), default="aligned")
    parser.add_argument("--engine", default=ROOT / "build/release/freshet", type=Path)
    return parser.parse_args()


class Soak:
    def __init__(self, lab, options):
        self.lab = lab
        self.rng = random.Random(f"soak/{options.seed}")
        seconds = options.minutes * 60
        self.story = Story(
            lab, options.partitioning, records=int(seconds * RECORDS_PER_SECOND),
            parts=max(int(seconds / PART_SECONDS), 2),
        )  # fmt: skip
        self.job = self.story.job(2, redis=lab.redis(durable=True))
        self.until = time.monotonic() + seconds
        self.engine = None
        self.engine_disturbed = False  # the broker was away in its life
        self.counts = Counter()
        self.failure = None
        self.watch = None

    def run(self):
        producer = threading.Thread(target=self._produce, daemon=True)
        with watched(self.job) as watch:
            self.watch = watch
            self._start()
            producer.start()
            while time.monotonic() < self.until and not self.failure:
                self._wait(self.rng.uniform(0.3, 4))
                self._event()
            producer.join()
            require(not self.failure, f"the producer: {self.failure}")
            self._drain()
            no_way_back(watch)
            print(f"writes to Redis: {watch.writes}; events: {dict(self.counts)}", flush=True)

    def _produce(self):
        try:
            while self.story.sent < self.story.parts and time.monotonic() < self.until + 60:
                self.story.send()
                time.sleep(PART_SECONDS)
        except Exception as failure:  # reported by the thread that waits
            self.failure = failure

    # The engine, as a service manager keeps it

    def _start(self):
        shards = self.rng.choice((1, 2, 3))
        self.job = self.lab.changed(self.job, lambda file: file["engine"].update(shards=shards))
        self.watch.begin()
        self.engine = self.lab.start(self.job)
        self.engine_disturbed = False
        self.counts["starts"] += 1

    def _stop(self):
        status = self.engine.terminate(60)
        if status == -signal.SIGTERM and not self.engine.said():
            return  # it had not even begun
        require(status == 0 or self.engine_disturbed,
                f"it ended with {status}:\n{self.engine.messages()}")  # fmt: skip

    def _look_after(self):
        if self.engine.child.poll() is None:
            return
        if not self.engine_disturbed:
            self.engine.expect_running()
        self.counts["ended when the broker was away"] += 1
        self._start()

    def _wait(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._look_after()
            time.sleep(0.05)

    # What happens to it

    def _event(self):
        (event,) = self.rng.choices(list(EVENTS), EVENTS.values())
        self.counts[event] += 1
        if event == "engine killed":
            self.engine.kill()
            self._start()
        elif event == "engine stopped":
            self._stop()
            self._start()
        elif event == "engine frozen":
            self.engine.freeze()
            time.sleep(self.rng.uniform(0.5, 6))
            self.engine.thaw()
        elif event.startswith("Redis"):
            self._redis(emptied="emptied" in event)
        else:
            self._broker(kill="killed" in event)

    def _redis(self, emptied):
        held = set(self.job.redis.client().keys("*"))
        emptied = emptied and self._has_written(held)
        self.counts["Redis emptied indeed"] += emptied
        self.job.redis.kill()
        self.watch.forget()
        if emptied:
            self.job.redis.empty()
        time.sleep(self.rng.uniform(0, 2))
        self.job.redis.start()
        if emptied:
            self._written_again(held, self.engine)

    def _has_written(self, held, seconds=20):
        """Whether this engine has written them all, sooner or later, and need not end by itself."""
        until = time.monotonic() + seconds
        while not held <= self.watch.written and time.monotonic() < until:
            self._wait(0.2)
        return held <= self.watch.written and not self.engine_disturbed

    def _written_again(self, held, engine):
        def written():
            self._look_after()
            return self.engine is not engine or held <= set(self.job.redis.client().keys("*"))

        wait_until(written, 60, f"the {len(held)} keys are written again")
        require(self.engine is engine, "the engine ended, and what it held is in Redis no more")

    def _broker(self, kill):
        self.engine_disturbed = True
        self.lab.broker.kill() if kill else self.lab.broker.stop()
        time.sleep(self.rng.uniform(0, 3))
        self.lab.broker.start()
        self._wait(self.rng.uniform(1, 3))
        self.engine_disturbed = True

    def _drain(self):
        self.story.send_rest()
        self._wait(1)
        self._stop()
        self.story.finish(self.job, seconds=600)


if __name__ == "__main__":
    sys.exit(main())
