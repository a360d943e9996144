"""compute(): a pipeline over all that its topics hold.

Every event is kept. Each view of each source is worked out key by key, from the definitions in
`emission.py`; nothing is carried from one row to the next.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from .aggregates import evaluate, feature_inputs
from .decode import Event, decode
from .emission import NEVER, Arrival, Clock, Held, rows_of_key
from .judge import Judge
from .online import hash_fields, redis_key, shown_row
from .pipeline import Pipeline, read_pipeline
from .undecided import check_decided, fragment_may_show
from .values import Reject


@dataclass
class Result:
    """What a run must leave behind.

    Rows of aligned sources are exact, revisions included. Of a shuffled source `rows` has just the
    last revision of each (view, key, window), and its number is not defined; of a shuffled source's
    on_update views only the online store is (their rows depend on how partitions interleave).
    Feature values are as JSON shows them, or an `Approx` or `Histogram` where a tolerance is
    granted.

    Of a shuffled on_update view the store shows the values of the trailing window in the end, but
    whether a key that has emptied was ever written, and which boundary was the last that changed a
    value, depends on the interleaving: `optional` and `loose` name the fields concerned. So does
    `window_end` of a shuffled view that skips unchanged rows; and where a session of a shuffled
    on_close view has not ended, whether a part of it ended and was shown: `open`.
    """

    pipeline: Pipeline
    rows: list = field(default_factory=list)
    redis: dict = field(default_factory=dict)  # Redis key → {field: value}
    optional: dict = field(default_factory=dict)  # Redis key → names of fields that may be missing
    open: dict = field(default_factory=dict)  # Redis key → names of fields that may hold anything
    loose: set = field(default_factory=set)  # names of fields whose value is not defined
    dead_letters: list = field(default_factory=list)
    late: list = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    watermarks: dict = field(default_factory=dict)  # (source, partition) → ms


class Judged(NamedTuple):
    """An event, its own partition's watermark before it, and the names of the views that take it:
    it is no duplicate, not late for them, and passes their `where`."""

    event: Event
    watermark: float
    takers: frozenset


def compute(pipeline_text, topics, mode="bounded", idle_clocks=None):
    """Run a pipeline file over `topics`: {topic: {partition: [Record]}}.

    mode: "bounded" lets time run out at the end, as `freshet run --bounded` does; "live" is what a
    running engine has done when it has read everything and waits.
    idle_clocks: {(source name, partition): ms}, for "live": how far the clock of an idle partition
    has gone by itself.

    Raises Undecided where a result depends on how the partitions of a shuffled source interleave.
    """
    pipeline = read_pipeline(pipeline_text)
    result = Result(pipeline)
    for source in pipeline.sources:
        views = [view for view in pipeline.views if view.source is source]
        judge = Judge(source, views, result.counts)
        judged = _decode_and_judge(source, judge, topics.get(source.topic, {}), result)
        if not source.aligned:
            check_decided(source, views, judged)
        for group, clock in _key_groups(source, judged, idle_clocks or {}, result.watermarks):
            for view in views:
                _run_view(view, group, clock, mode == "bounded", result)
    return result


def _decode_and_judge(source, judge, partitions, result):
    """The events of a source by partition, each with its partition's watermark before it.

    watermark(partition) = max event time decoded in it - out_of_orderness, advanced per event, also
    by late, duplicate and filtered ones, not by dead letters.
    """
    judged = {}
    for partition, records in sorted(partitions.items()):
        events = []
        watermark = NEVER
        for record in records:
            try:
                event = decode(source, partition, record)
            except Reject as reject:
                _dead_letter(source, partition, record, reject, result)
                continue
            takers = judge.takers(event, watermark)
            if takers is None:
                _late(source, event, watermark, result)
            events.append(Judged(event, watermark, takers or frozenset()))
            watermark = max(watermark, event.time - source.out_of_orderness)
        result.counts["events", source.name] += len(events)
        if events:
            judged[partition] = events
            result.watermarks[source.name, partition] = watermark
    return judged


def _dead_letter(source, partition, record, reject, result):
    result.counts["dead_letters", source.name, reject.reason] += 1
    result.dead_letters.append(
        {
            "source": source.name,
            "topic": source.topic,
            "partition": partition,
            "offset": record.offset,
            "error": reject.reason,
            "field": reject.field,
        }
    )


def _late(source, event, watermark, result):
    result.counts["late_events", source.name] += 1
    result.late.append(
        {
            "source": source.name,
            "topic": source.topic,
            "partition": event.partition,
            "offset": event.offset,
            "watermark": watermark,
        }
    )


def _key_groups(source, by_partition, idle_clocks, watermarks):
    """The units that fire together: (judged events, Clock).

    Aligned: a partition. Shuffled: all keys share one watermark, the minimum over the partitions
    that hold an event; as only the end is defined, it moves after the last event (see emission.py).
    """
    final = {
        partition: max(
            watermarks[source.name, partition], idle_clocks.get((source.name, partition), NEVER)
        )
        for partition in by_partition
    }
    if source.aligned:
        for partition, events in by_partition.items():
            after = [judged.watermark for judged in events[1:]]
            after.append(watermarks[source.name, partition])
            yield events, Clock(after + [final[partition]])
    elif by_partition:
        events = [judged for events in by_partition.values() for judged in events]
        yield events, Clock([NEVER] * (len(events) - 1) + [min(final.values())])


def _run_view(view, events, clock, bounded, result):
    arrivals = defaultdict(list)  # key → arrivals
    for instant, (event, watermark, takers) in enumerate(events):
        if view.name in takers:
            held = Held(event.time, event.partition, event.offset, feature_inputs(view, event))
            arrivals[event.key].append(Arrival(instant, watermark, held))

    exact = view.source.aligned
    if not exact and (view.on_update or view.skip_unchanged):
        result.loose.add(f"{view.name}.window_end")
    for key, of_key in arrivals.items():
        rows = rows_of_key(view, key, of_key, clock, bounded)
        if exact or not view.on_update:
            result.rows.extend(_json_row(view, row) for row in rows)
        _show(view, key, rows, result)
        if view.kind == "session" and not exact and not view.on_update:
            if fragment_may_show(view, of_key, clock.final):
                _leave_open(view, key, result)


def _leave_open(view, key, result):
    """What the online store shows of one key of one view is not defined."""
    online = result.pipeline.online
    if online is not None:
        name = redis_key(view, key, online)
        result.open.setdefault(name, set()).update(feature.name for feature in view.features)
        result.open[name] |= {f"{view.name}.window_end", f"{view.name}.computed_at"}


def _show(view, key, rows, result):
    """Put what the online store shows of one key of one view into its hash."""
    online = result.pipeline.online
    shown = shown_row(view, rows)
    if online is None or shown is None:
        return
    name = redis_key(view, key, online)
    fields = hash_fields(view, shown, online.metadata)
    if fields:
        result.redis.setdefault(name, {}).update(fields)
    # A key that has emptied may have done so before its event came in, and never have had a row; nor
    # does it get one where emptying changes no value.
    may_have_emptied = shown.empty or shown.values == evaluate(view, [])
    if may_have_emptied and view.on_update and not view.source.aligned:
        result.optional.setdefault(name, set()).update(fields)


def _json_row(view, row):
    """A row as the file and the feature topic show it."""
    json_row = {
        "view": view.name,
        view.source.entity: row.key,
        "window_start": row.start,
        "window_end": row.end,
        "revision": row.revision,
        "features": dict(row.values),  # rows of windows that hold the same share them
    }
    if row.empty:
        json_row["empty"] = True
    if row.retracted:
        json_row["retracted"] = True
    return json_row
