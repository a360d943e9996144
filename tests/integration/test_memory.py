"""State larger than memory: keys go to the work store, come back when they are needed, and nobody
can tell, but by the metrics.

`state.memory` is the least that is allowed, and many times as much state passes through it.
"""

import time

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
    window: {sliding: 1h, every: 15m}
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
_RECORDS = 24_000
_USERS = 6_000


class Watch:
    """What the metrics of an engine say while it runs: the highest values."""

    def __init__(self, engine, job):
        self.engine, self.job = engine, job
        self.most = {}

    def until_exit(self, seconds):
        until = time.monotonic() + seconds
        while self.engine.child.poll() is None:
            if time.monotonic() > until:
                raise Failure(f"freshet did not end within {seconds} s:\n{self.engine.messages()}")
            status, text = self.engine.get(self.job.address, "/metrics")
            if status == 200:
                self.note(parse(text))
            time.sleep(0.02)
        self.engine.expect_exit(0, 1)

    def note(self, samples):
        for name in (
            "freshet_keys",
            "freshet_cold_keys",
            "freshet_evictions_total",
            "freshet_cold_loads_total",
            "freshet_arena_bytes",
            "freshet_process_resident_bytes",
        ):
            self.most[name] = max(self.most.get(name, 0), total(samples, name))


def _bounded(lab, text, shards):
    job = lab.job(text, shards)
    watch = Watch(lab.start(job, bounded=True), job)
    watch.until_exit(60)
    return job, watch.most


def _run(lab, partitioning):
    text = lab.pipeline(_PIPELINE, partitioning, checkpoint={"every": "1s", "min_pause": "0s"})
    keyed = partitioning == "aligned"
    spec = Traffic(
        _RECORDS, lab.seed, partitions=4, users=_USERS, span_ms=8 * HOUR, keyed=keyed, bad=0.0
    )
    records = traffic(text, spec)
    lab.fill(text, records)
    expected = compute(text, records)

    document = load(text)
    _, roomy = _bounded(lab, dump(document), 2)
    require(roomy["freshet_evictions_total"] == 0, "keys were evicted without need")

    document["state"] = {"memory": _MEMORY}
    job, most = _bounded(lab, dump(document), 2)
    lab.judge(job, records, expected, last_only=not keyed)
    print(f"    roomy {roomy}\n    tight {most}")
    require(most["freshet_evictions_total"] > _USERS, f"few keys were evicted: {most}")
    require(most["freshet_cold_loads_total"] > 1000, f"few keys came back: {most}")


@test("memory/aligned")
def aligned(lab):
    _run(lab, "aligned")


@test("memory/shuffle")
def shuffle(lab):
    _run(lab, "shuffle")
