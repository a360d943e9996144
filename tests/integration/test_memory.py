"""State larger than memory: keys go to the work store, come back when they are needed, and nobody
can tell, but by the metrics.

`state.memory` is the least that is allowed, and many times as much state passes through it.
"""

import time
from collections import Counter

from engine import read_lines
from events import HOUR, Traffic, traffic
from harness import dump, load, require, test
from metrics import parse, total
from process import Failure
from reference import compute

_PIPELINE = """
pipeline: memory
kafka: {brokers: to be set, group: to be set}
redis: {url: to be set, key: "f:{user_id}", ttl: 25h}
sources:
  events:
    topic: events
    partitioning: aligned
    entity: user_id
    time: {field: timestamp, unit: ms}
    fields:
      user_id: string
      event_type: string
      item_id: {type: string, optional: true}
      category: {type: string, default: unknown}
      price: {type: double, optional: true}
      amount: {type: decimal(2), optional: true}
    out_of_orderness: 30s
    allowed_lateness: 10m
    late_topic: late
    dead_letter_topic: dlq
views:
  hours:
    source: events
    window: {sliding: 4h, every: 30m}
    features:
      hour_count: {count: true}
      hour_types: {histogram: event_type}
      hour_items: {last: item_id, n: 10}
      hour_p95: {quantile: amount, q: 0.95}
  recent:
    source: events
    window: {tumbling: 30m}
    emit: on_update
    features:
      recent_count: {count: true}
      recent_max: {max: price}
  sessions:
    source: events
    window: {session: 10m}
    features:
      session_count: {count: true}
      session_categories: {distinct: category}
"""

_MEMORY = 1 << 20
_RECORDS = 16_000
_USERS = 5_000

_METRICS = (
    "freshet_cold_keys",
    "freshet_evictions_total",
    "freshet_cold_loads_total",
    "freshet_arena_bytes",
)


def _watch(engine, job, seconds=60):
    """Until the engine ends: the highest that its metrics said, over all shards."""
    until = time.monotonic() + seconds
    most = dict.fromkeys(_METRICS, 0)
    while engine.child.poll() is None:
        if time.monotonic() > until:
            raise Failure(f"freshet did not end within {seconds} s:\n{engine.messages()}")
        status, text = engine.get(job.address, "/metrics")
        if status == 200:
            samples = parse(text)
            for name in _METRICS:
                most[name] = max(most[name], total(samples, name))
        time.sleep(0.02)
    engine.expect_exit(0, 1)
    return most


def _prepare(lab, partitioning):
    """A pipeline, its records, and what comes of them."""
    text = lab.pipeline(_PIPELINE, partitioning, checkpoint={"every": "200ms", "min_pause": "0s"})
    spec = Traffic(
        _RECORDS,
        lab.seed,
        partitions=4,
        users=_USERS,
        span_ms=8 * HOUR,
        keyed=partitioning == "aligned",
        bad=0.0,
    )
    records = traffic(text, spec)
    lab.fill(text, records)
    return text, records, compute(text, records)


def _tight(text):
    document = load(text)
    document["state"] = {**document.get("state", {}), "memory": _MEMORY}
    return dump(document)


def _require_moves(most):
    require(most["freshet_evictions_total"] > _USERS, f"few keys were evicted: {most}")
    require(most["freshet_cold_loads_total"] > 1000, f"few keys came back: {most}")


@test("memory/aligned")
def aligned(lab):
    text, records, expected = _prepare(lab, "aligned")
    job = lab.job(text, shards=2)
    roomy = _watch(lab.start(job, bounded=True), job)
    require(roomy["freshet_evictions_total"] == 0, "keys were evicted without need")
    wanted = Counter(read_lines(job.rows))

    job = lab.job(_tight(text), shards=2)
    tight = _watch(lab.start(job, bounded=True), job)
    lab.judge(job, records, expected)
    require(Counter(read_lines(job.rows)) == wanted, "other rows than with room for all")
    _require_moves(tight)
    # Windows of 4096 keys that fire at once, their images, and heads of cold keys are the floor.
    require(
        tight["freshet_arena_bytes"] < 3 * _MEMORY,
        f"memory does not stay within bounds: {tight}, with room for all {roomy}",
    )


@test("memory/shuffle")
def shuffle(lab):
    text, records, expected = _prepare(lab, "shuffle")
    job = lab.job(_tight(text), shards=2)
    most = _watch(lab.start(job, bounded=True), job)
    lab.judge(job, records, expected, last_only=True)
    _require_moves(most)


def _kill_when_cold(lab, engine, job):
    """Kill it when many keys have gone, or a little later, unless it has ended by itself."""
    after = lab.rng.uniform(0, 0.05)
    while engine.child.poll() is None:
        status, text = engine.get(job.address, "/metrics")
        if status == 200 and total(parse(text), "freshet_evictions_total") > 100:
            time.sleep(after)
            engine.child.kill()
            engine.child.wait()
            return
        time.sleep(0.005)
    engine.expect_exit(0, 1)


def _kill_and_judge(lab, partitioning):
    """Killed several times in the middle, with most of the state in the store alone."""
    text, records, expected = _prepare(lab, partitioning)
    document = load(_tight(text))
    document["kafka"]["properties"] = {"fetch.message.max.bytes": 2000}  # slowly
    job = lab.job(dump(document), shards=2)
    for _ in range(4):
        _kill_when_cold(lab, lab.start(job, bounded=True), job)
    _watch(lab.start(job, bounded=True), job)
    lab.judge(job, records, expected, last_only=partitioning == "shuffle", at_least_once=True)


@test("memory/killed_aligned")
def killed_aligned(lab):
    _kill_and_judge(lab, "aligned")


@test("memory/killed_shuffle")
def killed_shuffle(lab):
    """What one run shows of an event, the next may read too late for a row: Redis hears of it."""
    _kill_and_judge(lab, "shuffle")
