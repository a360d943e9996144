"""The same events, cut into other batches and spread over other shards: the same rows.

Producers send them in large batches or in small ones, consumers fetch much or little at a time,
1, 2 and 4 shards own the keys. Aligned, every row is the same to the byte; shuffled, the last
revision of each window and the online store are (doubles to rounding).
"""

from collections import Counter

from engine import read_lines
from events import HOUR, Traffic, traffic
from harness import dump, load, require, test
from reference import compute

# Each kind of window and of row, deduplication, conditions, and features of all sorts.
_PIPELINE = """
pipeline: batching
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
      event_id: {type: string, optional: true}
      event_type: string
      item_id: {type: string, optional: true}
      sku: {type: string, optional: true}
      category: {type: string, default: unknown}
      price: {type: double, optional: true}
      amount: {type: decimal(2), optional: true}
      quantity: {type: int64, optional: true}
    dedup: {field: event_id, within: 1h}
    out_of_orderness: 30s
    allowed_lateness: 10m
    late_topic: late
    dead_letter_topic: dlq
views:
  hours:
    source: events
    window: {tumbling: 1h}
    where: {not: {event_type: logout}}
    features:
      hour_count: {count: quantity}
      hour_variance: {variance: quantity}
      hour_top: {top: category, n: 3}
      hour_first: {first: item_id}
  half_hours:
    source: events
    window: {sliding: 30m, every: 5m}
    where: {any: [{event_type: [click, purchase]}, {amount: {gt: 100}}]}
    features:
      half_items: {last: item_id, n: 20}
      half_spread: {stddev: amount, sample: true}
      half_p95: {quantile: amount, q: 0.95}
      half_since: {since_previous: true, where: {event_type: purchase}}
  recent:
    source: events
    window: {sliding: 10m, every: 1m}
    emit: on_update
    features:
      recent_count: {count: true}
      recent_amounts: {list: amount, limit: 5}
      recent_max: {max: price}
  sessions:
    source: events
    window: {session: 10m}
    features:
      session_count: {count: true}
      session_categories: {distinct: category}
      session_amount: {sum: amount}
      session_top: {top: sku}
  now:
    source: events
    window: {session: 5m}
    emit: on_update
    where: {item_id: {exists: true}}
    features:
      now_count: {count: true}
      now_items: {list: item_id, limit: 10}
  ever:
    source: events
    window: lifetime
    emit: on_update
    features:
      ever_count: {count: true}
      ever_first: {first: event_type}
      ever_mean: {mean: price}
      ever_types: {histogram: event_type}
"""

_TRICKLE = {"fetch.message.max.bytes": 2000}
RUNS = ((1, {}), (2, _TRICKLE), (4, {}), (4, _TRICKLE))  # shards, properties of the consumer


def _run(lab, partitioning):
    views = load(_PIPELINE)["views"]
    # A source with a lifetime view has no late events, so it gets its traffic apart.
    for number, names in enumerate((views.keys() - {"ever"}, {"ever", "hours"})):
        document = load(_PIPELINE)
        document["views"] = {name: views[name] for name in views if name in names}
        text = lab.pipeline(dump(document), partitioning, state={"ttl": "100h"})
        text = text.replace(f"{lab.prefix}.events", f"{lab.prefix}.events.{number}")
        _run_all(lab, text, partitioning)


def _run_all(lab, text, partitioning):
    keyed = partitioning == "aligned"
    spec = Traffic(8000, lab.seed, partitions=6, users=60, span_ms=6 * HOUR, keyed=keyed)
    records = traffic(text, spec)
    lab.fill(text, records, batch=7)
    expected = compute(text, records)
    first = None
    for shards, properties in RUNS:
        document = load(text)
        if properties:
            document["kafka"]["properties"] = properties
        job = lab.job(dump(document), shards)
        lab.run_bounded(job)
        lab.judge(job, records, expected)
        lines = Counter(read_lines(job.rows))
        first = first or lines
        if keyed:
            differing = sorted((lines - first) + (first - lines))[:6]
            require(not differing, f"{shards} shards: not the same bytes: {differing}")


@test("batching/aligned")
def aligned(lab):
    _run(lab, "aligned")


@test("batching/shuffle")
def shuffle(lab):
    _run(lab, "shuffle")
