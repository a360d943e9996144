"""Live runs: idle partitions, SIGTERM under load, and where a run starts to read."""

import json
import threading
import time

from engine import read_rows
from events import HOUR, START, Traffic, traffic
from harness import EXAMPLES, dump, load, require, test
from process import Failure
from reference import Record, compute

_PIPELINE = """
pipeline: live
kafka: {brokers: to be set, group: to be set}
redis: {url: to be set, key: "f:{user}", ttl: 1h}
sources:
  events:
    topic: events
    format: json
    partitioning: aligned
    entity: user
    time: {field: at, unit: ms}
    fields: {user: string, n: int64}
    out_of_orderness: 5s
    allowed_lateness: 10s
    idle_after: 2s
    late_topic: late
    dead_letter_topic: dlq
views:
  per_minute:
    source: events
    window: {tumbling: 1m}
    features: {count: {count: true}, total: {sum: n}}
  five_minutes:
    source: events
    window: {sliding: 5m, every: 1m}
    features: {count_5m: {count: true}, max_5m: {max: n}}
"""

MINUTE = 60_000


class Script:
    """A topic that a test writes event by event, and what the reference makes of it."""

    def __init__(self, lab, text, partitions):
        self.lab = lab
        self.text = text
        (self.topic,) = [spec["topic"] for spec in load(text)["sources"].values()]
        self.records = {self.topic: {number: [] for number in range(partitions)}}
        lab.broker.create_topic(self.topic, partitions)

    def send(self, *events):
        """(partition, user, ms after START, n), each in its turn."""
        fresh = {}
        for partition, user, after, n in events:
            value = json.dumps({"user": user, "at": START + after, "n": n}).encode()
            offset = len(self.records[self.topic][partition])
            record = Record(offset, START + after, user.encode(), value)
            self.records[self.topic][partition].append(record)
            fresh.setdefault(partition, []).append(record)
        self.lab.broker.produce(self.topic, fresh)

    def expected(self, idle_clocks=None):
        return compute(self.text, self.records, "live", idle_clocks)


def _idle_partition(lab, partitioning):
    """A partition falls silent; its windows fire by the time of the others. When it resumes, what
    is in time by its own watermark is not late, and its windows end up right."""
    text = lab.pipeline(_PIPELINE, partitioning)
    script = Script(lab, text, 3)
    job = lab.job(text, shards=2)
    engine = lab.start(job)
    script.send(
        (0, "ann", 0, 1), (1, "bob", 0, 2), (2, "cat", 0, 3), (2, "cat", 10_000, 4),
        (2, "dan", 30_000, 5), (2, "cat", 61_000, 6), (0, "ann", 30_000, 7),
        (0, "ann", 10 * MINUTE, 1), (1, "bob", 9 * MINUTE, 1),
    )  # fmt: skip
    if partitioning == "shuffle":
        script.send((2, "ann", 40_000, 3), (0, "cat", 10 * MINUTE, 2))
    stop_chatter = _keep_active(script, {0: 10 * MINUTE, 1: 9 * MINUTE})
    try:
        # Partition 2 stands at 61 s; the slower of the active ones is at 9 min less 5 s.
        clock = START + 9 * MINUTE - 5000
        early = script.expected({("events", 2): clock})
        require(early.redis != script.expected().redis, "the reference sees no early firing")
        # The bystander's events are in no window that fires, so they need no place in this.
        lab.wait_for_redis(job, early, engine, seconds=30)
    finally:
        stop_chatter()
    # It resumes where it was: all of this is before the clock and after its own watermark.
    script.send((2, "cat", 62_000, 8), (2, "dan", 57_000, 9), (2, "eve", 2 * MINUTE, 10))
    script.send((2, "cat", 5 * MINUTE, 11), (2, "dan", 5 * MINUTE, 12))
    # In the end all stand at the same time, with nothing more to wait for.
    script.send(*[(number, f"end{number}", 40 * MINUTE, 0) for number in range(3)])
    final = script.expected()
    require(final.late == [], f"the reference calls {final.late} late")
    lab.wait_for_redis(job, final, engine, seconds=30)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    lab.judge(job, script.records, final, last_only=True)


@test("live/idle_partition")
def idle_partition(lab):
    _idle_partition(lab, "aligned")


@test("live/idle_partition_shuffled")
def idle_partition_shuffled(lab):
    """The same where the silent partition holds back the keys of all the others."""
    _idle_partition(lab, "shuffle")


@test("live/empty_partition")
def empty_partition(lab):
    """A partition that never held an event does not hold back a shuffled source for ever."""
    text = lab.pipeline(_PIPELINE, "shuffle")
    script = Script(lab, text, 3)
    job = lab.job(text, shards=2)
    engine = lab.start(job)
    script.send((0, "ann", 0, 1), (1, "ann", 1000, 2), (0, "bob", 2000, 3))
    script.send((0, "ann", 5 * MINUTE, 4), (1, "bob", 6 * MINUTE, 5))
    stop_chatter = _keep_active(script, {0: 5 * MINUTE, 1: 6 * MINUTE})
    try:
        lab.wait_for_redis(job, script.expected(), engine, seconds=30)
    finally:
        stop_chatter()
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")


def _keep_active(script, partitions):
    """Send an event of a bystander to some partitions again and again, all at the same event time,
    so they are active and their watermarks stand still. Returns the function that stops it."""
    stopped = threading.Event()
    failures = []

    def chatter():
        while not stopped.wait(0.4):
            try:
                script.send(*[(number, f"by{number}", at, 0) for number, at in partitions.items()])
            except Failure as failure:
                failures.append(failure)
                return

    thread = threading.Thread(target=chatter, daemon=True)
    thread.start()

    def stop():
        stopped.set()
        thread.join()
        if failures:
            raise failures[0]

    return stop


@test("live/all_idle")
def all_idle(lab):
    """Nothing comes any more: time goes on with the silence, so the last windows do not hang."""
    text = lab.pipeline(_PIPELINE, source={"idle_after": "1s", "out_of_orderness": "0s"})
    document = load(text)
    document["views"] = {
        "short": {
            "source": "events",
            "window": {"tumbling": "2s"},
            "features": {"count": {"count": True}},
        }
    }
    text = dump(document)
    script = Script(lab, text, 2)
    job = lab.job(text)
    engine = lab.start(job)
    script.send((0, "ann", 500, 1), (1, "bob", 700, 1))
    require(not script.expected().redis, "the windows need no silence to fire")
    fired = script.expected({("events", 0): START + 5000, ("events", 1): START + 5000})
    lab.wait_for_redis(job, fired, engine, seconds=30)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")


@test("live/sigterm_under_load")
def sigterm_under_load(lab):
    """It ends soon and in order: exit 0, whole lines, no row that no event explains."""
    text = lab.pipeline((EXAMPLES / "user_activity.yaml").read_text(), "aligned")
    records = traffic(text, Traffic(records=150_000, seed=lab.seed, users=1000, span_ms=30 * HOUR))
    lab.fill(text, records)
    expected = compute(text, records)
    known = {(row["view"], row["user_id"], row["window_end"]) for row in expected.rows}
    for wait in (0.0, 0.3, 1.0):
        job = lab.job(text, shards=2)
        engine = lab.start(job)
        engine.wait_ready(job.address)
        time.sleep(wait)
        started = time.monotonic()
        require(engine.terminate(15) == 0, f"no clean end:\n{engine.messages()}")
        took = time.monotonic() - started
        require(took < 10, f"it took {took:.1f} s to end")
        for row in read_rows(job.rows):
            place = (row["view"], row["user_id"], int(row["window_end"]))
            require(place in known, f"a row that no event explains: {row}")


@test("live/start_latest")
def start_latest(lab):
    """Only what comes after the start counts."""
    text = lab.pipeline(_PIPELINE, source={"start": "latest", "idle_after": "1h"})
    script = Script(lab, text, 2)
    script.send((0, "old", 0, 1), (1, "old1", 0, 1), (0, "ann", 1000, 100))
    before = {number: len(records) for number, records in script.records[script.topic].items()}
    job = lab.job(text)
    engine = lab.start(job)
    engine.wait_ready(job.address)
    script.send((0, "ann", 2000, 1), (1, "bob", 2000, 2))
    script.send((0, "end0", 30 * MINUTE, 0), (1, "end1", 30 * MINUTE, 0))
    read = _from_offsets(script.records, script.topic, before)
    expected = compute(text, read, "live")
    lab.wait_for_redis(job, expected, engine)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    lab.judge(job, script.records, expected)


@test("live/start_timestamp")
def start_timestamp(lab):
    """From the first record whose Kafka timestamp is at least that, in each partition."""
    events = [(number, f"u{number}", at * 10_000, at) for at in range(60) for number in range(2)]
    for start in ("2023-11-15T00:05:00Z", START + 5 * MINUTE):
        text = lab.pipeline(_PIPELINE, source={"start": start})
        text = text.replace(f"{lab.prefix}.events", f"{lab.prefix}.events.{type(start).__name__}")
        script = Script(lab, text, 3)  # the third partition stays empty
        script.send(*events)
        job = lab.job(text)
        lab.run_bounded(job, seconds=60)
        read = _from_offsets(script.records, script.topic, {0: 30, 1: 30, 2: 0})
        lab.judge(job, script.records, compute(text, read))


def _from_offsets(records, topic, first):
    return {
        topic: {number: part[first[number] :] for number, part in records[topic].items()}
    }


@test("live/repeat_by_another_group")
def repeat_by_another_group(lab):
    """A live run over what a bounded run has read: another group starts from the beginning, and the
    store shows the same."""
    text = lab.pipeline((EXAMPLES / "session_features.yaml").read_text(), "aligned",
                        source={"idle_after": "1h"})  # fmt: skip
    records = traffic(text, Traffic(records=20_000, seed=lab.seed, users=200, span_ms=4 * HOUR))
    lab.fill(text, records)
    bounded = lab.job(text)
    lab.run_bounded(bounded)
    lab.judge(bounded, records, compute(text, records))
    live = lab.job(text, shards=4)
    engine = lab.start(live)
    lab.wait_for_redis(live, compute(text, records, "live"), engine)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
