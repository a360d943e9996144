"""The reference against small cases worked out by hand, rule by rule.

Run: /usr/bin/python3 tests/reference/test_reference.py

Times are small numbers of ms: windows of 10 ms that slide by 5. Every expectation is written out;
none is computed by what is under test.
"""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reference import Record, compute
from reference.decode import decode
from reference.online import as_json, as_text
from reference.pipeline import duration_ms, read_pipeline
from reference.tolerances import Approx, Histogram, Quantile, Top
from reference.undecided import Undecided
from reference.values import Overflow, Reject, scaled_integer

PIPELINE = """
pipeline: p
kafka: {{brokers: localhost:1, group: g}}
redis: {{url: redis://localhost:1, layout: hash, key: "f:{{user}}"}}
sources:
  s:
    topic: t
    format: json
    partitioning: {partitioning}
    entity: user
    time: {{field: at, unit: ms}}
    fields:
      user: string
      kind: {{type: string, optional: true}}
      n: {{type: int64, optional: true}}
      x: {{type: double, optional: true}}
      money: {{type: decimal(2), optional: true}}
      flag: {{type: bool, optional: true}}
      when: {{type: timestamp, optional: true}}
    out_of_orderness: {out_of_orderness}
    allowed_lateness: {allowed_lateness}
    max_future: 1h
    {dedup}
state: {{ttl: {ttl}}}
views:
  v: {view}
"""

SLIDING = "{source: s, window: {sliding: 10ms, every: 5ms}, features: {c: {count: true}}}"
TUMBLING = "{source: s, window: {tumbling: 10ms}, features: {c: {count: true}}}"


def pipeline(
    view,
    partitioning="aligned",
    out_of_orderness="0ms",
    allowed_lateness="0ms",
    dedup=None,
    ttl="25h",
):
    return PIPELINE.format(
        view=view,
        partitioning=partitioning,
        out_of_orderness=out_of_orderness,
        allowed_lateness=allowed_lateness,
        dedup=f"dedup: {dedup}" if dedup else "",
        ttl=ttl,
    )


def event(at, user="u", **fields):
    return {"at": at, "user": user, **fields}


def records(events):
    return [Record(i, None, None, json.dumps(e).encode()) for i, e in enumerate(events)]


def run(view, *partitions, mode="bounded", idle_clocks=None, **source):
    """Each partition is a list of events."""
    topics = {"t": {number: records(events) for number, events in enumerate(partitions)}}
    return compute(pipeline(view, **source), topics, mode, idle_clocks)


def short(result, *features):
    """Rows as (user, start, end, revision, feature values…), with "empty" or "retracted" at the end
    if they are."""
    return sorted(
        (
            row["user"],
            row["window_start"],
            row["window_end"],
            row["revision"],
            *(row["features"][name] for name in features or ("c",)),
            *(name for name in ("empty", "retracted") if row.get(name)),
        )
        for row in result.rows
    )


def late_offsets(result):
    return [(late["partition"], late["offset"], late["watermark"]) for late in result.late]


class Tumbling(unittest.TestCase):
    def test_boundaries_belong_to_the_next_window(self):
        result = run(TUMBLING, [event(0), event(9), event(10), event(30)])
        self.assertEqual(
            short(result),
            [
                ("u", 0, 10, 0, 2),
                ("u", 10, 20, 0, 1),
                ("u", 20, 30, 0, 0, "empty"),
                ("u", 30, 40, 0, 1),  # by the end of the bounded run
            ],
        )

    def test_offset_moves_the_windows_and_may_be_negative(self):
        view = "{source: s, window: {tumbling: 10ms, offset: -3ms}, features: {c: {count: true}}}"
        result = run(view, [event(6), event(7), event(16), event(17)])
        self.assertEqual(
            short(result), [("u", -3, 7, 0, 1), ("u", 7, 17, 0, 2), ("u", 17, 27, 0, 1)]
        )

    def test_a_window_fires_when_the_watermark_is_at_its_end(self):
        # The watermark is 1 ms short of 10, then at 10.
        self.assertEqual(short(run(TUMBLING, [event(1), event(9, "w")], mode="live")), [])
        fired = short(run(TUMBLING, [event(1), event(10, "w")], mode="live"))
        self.assertEqual(fired, [("u", 0, 10, 0, 1)])

    def test_out_of_orderness_holds_the_watermark_back(self):
        events = [event(1), event(12, "w"), event(2), event(13, "w")]
        result = run(TUMBLING, events, mode="live", out_of_orderness="3ms")
        self.assertEqual(short(result), [("u", 0, 10, 0, 2)])
        self.assertEqual(result.watermarks, {("s", 0): 10})


class Sliding(unittest.TestCase):
    def test_an_event_is_in_size_over_slide_windows(self):
        result = run(SLIDING, [event(7)])
        self.assertEqual(short(result), [("u", 0, 10, 0, 1), ("u", 5, 15, 0, 1)])

    def test_one_row_per_slide_whose_window_holds_an_event(self):
        result = run(SLIDING, [event(3), event(8), event(40, "w")], mode="live")
        self.assertEqual(
            short(result),
            [
                ("u", -5, 5, 0, 1),
                ("u", 0, 10, 0, 2),
                ("u", 5, 15, 0, 1),
                ("u", 10, 20, 0, 0, "empty"),
            ],
        )

    def test_offset(self):
        view = (
            "{source: s, window: {sliding: 10ms, every: 5ms, offset: 2ms},"
            " features: {c: {count: true}}}"
        )
        self.assertEqual(short(run(view, [event(7)])), [("u", 2, 12, 0, 1), ("u", 7, 17, 0, 1)])


class Lateness(unittest.TestCase):
    def test_closed_when_the_watermark_is_at_end_plus_lateness(self):
        # Window [0, 10) with 2 ms of lateness: open at watermark 11, closed at 12.
        result = run(
            TUMBLING, [event(11, "w"), event(1), event(12, "w"), event(2)], allowed_lateness="2ms"
        )
        self.assertEqual(late_offsets(result), [(0, 3, 12)])
        self.assertIn(("u", 0, 10, 0, 1), short(result))
        self.assertEqual(result.counts["late", "v"], 1)
        self.assertEqual(result.counts["late_events", "s"], 1)

    def test_judged_by_the_own_partition_and_before_the_event_itself(self):
        # Partition 1 has seen nothing: its first event is never late, however old.
        result = run(TUMBLING, [event(100, "w")], [event(1), event(50, "w2"), event(2)])
        self.assertEqual(late_offsets(result), [(1, 2, 50)])

    def test_late_and_filtered_events_advance_the_watermark(self):
        view = (
            "{source: s, window: {tumbling: 10ms}, where: {kind: a}, features: {c: {count: true}}}"
        )
        result = run(view, [event(1, kind="a"), event(20, kind="b"), event(2, kind="b")])
        # Filtered at 20: the watermark is 20, so the event at 2 is late, before any `where`.
        self.assertEqual(late_offsets(result), [(0, 2, 20)])
        self.assertEqual(short(result), [("u", 0, 10, 0, 1), ("u", 10, 20, 0, 0, "empty")])

    def test_an_event_enters_just_those_of_its_windows_that_are_open(self):
        # At watermark 12 the window [0, 10) is closed, [5, 15) is not.
        result = run(SLIDING, [event(12, "w"), event(7)])
        self.assertEqual(late_offsets(result), [])
        self.assertEqual([row for row in short(result) if row[0] == "u"], [("u", 5, 15, 0, 1)])

    def test_each_allowed_late_event_fires_the_window_again(self):
        result = run(
            TUMBLING,
            [event(1), event(10, "w"), event(2), event(3)],
            mode="live",
            allowed_lateness="10ms",
        )
        self.assertEqual(
            short(result), [("u", 0, 10, 0, 1), ("u", 0, 10, 1, 2), ("u", 0, 10, 2, 3)]
        )

    def test_a_window_that_held_nothing_fires_first_when_a_late_event_comes(self):
        result = run(TUMBLING, [event(10, "w"), event(2)], mode="live", allowed_lateness="10ms")
        self.assertEqual(short(result), [("u", 0, 10, 0, 1)])

    def test_late_for_some_views_only_is_no_late_record(self):
        views = (
            "{source: s, window: {tumbling: 10ms}, features: {c: {count: true}}}\n"
            "  long: {source: s, window: {tumbling: 100ms}, features: {c: {count: true}}}"
        )
        result = run(views, [event(20, "w"), event(1)])
        self.assertEqual(result.late, [])
        self.assertEqual(result.counts["late", "v"], 1)
        self.assertEqual(result.counts["late", "long"], 0)
        rows = [(row["view"], row["user"], row["features"]["c"]) for row in result.rows]
        self.assertEqual(sorted(rows), [("long", "u", 1), ("long", "w", 1), ("v", "w", 1)])


class EmptyRows(unittest.TestCase):
    def test_one_after_each_window_with_an_event_and_no_more(self):
        result = run(TUMBLING, [event(1), event(31), event(70, "w")], mode="live")
        self.assertEqual(
            short(result),
            [
                ("u", 0, 10, 0, 1),
                ("u", 10, 20, 0, 0, "empty"),
                ("u", 30, 40, 0, 1),
                ("u", 40, 50, 0, 0, "empty"),
            ],
        )

    def test_none_beyond_the_last_watermark(self):
        self.assertEqual(short(run(TUMBLING, [event(1), event(19, "w")]))[0], ("u", 0, 10, 0, 1))
        self.assertEqual(len(run(TUMBLING, [event(1), event(19, "w")]).rows), 2)

    def test_a_late_event_corrects_it(self):
        result = run(
            TUMBLING, [event(1), event(20, "w"), event(11)], mode="live", allowed_lateness="20ms"
        )
        self.assertEqual(
            short(result),
            [("u", 0, 10, 0, 1), ("u", 10, 20, 0, 0, "empty"), ("u", 10, 20, 1, 1)],
        )

    def test_a_late_event_may_cause_one_at_once(self):
        # The watermark is at 25 when the window [0, 10) gets its only event: [10, 20) is empty.
        result = run(TUMBLING, [event(25, "w"), event(1)], mode="live", allowed_lateness="50ms")
        self.assertEqual(short(result), [("u", 0, 10, 0, 1), ("u", 10, 20, 0, 0, "empty")])

    def test_a_late_event_in_both_windows_causes_none(self):
        # 7 enters [0, 10) and [5, 15) at once; the empty window after them is [10, 20).
        result = run(SLIDING, [event(21, "w"), event(7)], mode="live", allowed_lateness="50ms")
        self.assertEqual(
            [row for row in short(result) if row[0] == "u"],
            [("u", 0, 10, 0, 1), ("u", 5, 15, 0, 1), ("u", 10, 20, 0, 0, "empty")],
        )

    def test_an_empty_row_then_its_event_then_the_next_ones_empty_row(self):
        result = run(
            TUMBLING,
            [event(1), event(30, "w"), event(12), event(13)],
            mode="live",
            allowed_lateness="50ms",
        )
        self.assertEqual(
            short(result),
            [
                ("u", 0, 10, 0, 1),
                ("u", 10, 20, 0, 0, "empty"),
                ("u", 10, 20, 1, 1),
                ("u", 10, 20, 2, 2),
                ("u", 20, 30, 0, 0, "empty"),
            ],
        )


UPDATE = (
    "{source: s, window: {sliding: 10ms, every: 5ms}, emit: on_update,"
    " features: {c: {count: true}}}"
)
UPDATE_TUMBLING = (
    "{source: s, window: {tumbling: 10ms}, emit: on_update, features: {c: {count: true}}}"
)


class OnUpdate(unittest.TestCase):
    def test_a_row_per_event_that_ends_at_the_newest_time(self):
        result = run(UPDATE, [event(12), event(13)], mode="live")
        self.assertEqual(short(result), [("u", 0, 12, 0, 1), ("u", 0, 13, 0, 2)])

    def test_an_older_event_repeats_the_bounds_and_counts_the_revision(self):
        result = run(UPDATE, [event(13), event(12)], mode="live", out_of_orderness="5ms")
        self.assertEqual(short(result), [("u", 0, 13, 0, 1), ("u", 0, 13, 1, 2)])

    def test_an_event_older_than_the_trailing_window_has_no_row(self):
        # T = 31, so the window starts at 30 - 10.
        result = run(UPDATE, [event(31), event(19)], mode="live", out_of_orderness="40ms")
        self.assertEqual(short(result), [("u", 20, 31, 0, 1)])

    def test_T_is_the_last_boundary_that_the_watermark_reached(self):
        # The watermark is at 17 when u's event of 12 comes: T = 15, the window [5, 15].
        result = run(UPDATE, [event(17, "w"), event(12)], mode="live", allowed_lateness="10ms")
        self.assertIn(("u", 5, 15, 0, 1), short(result))

    def test_expiry_at_the_boundaries_that_change_the_value(self):
        result = run(UPDATE, [event(11), event(16), event(40, "w")], mode="live")
        rows = [row for row in short(result) if row[0] == "u"]
        self.assertEqual(
            rows,
            [
                ("u", 0, 11, 0, 1),
                ("u", 5, 16, 0, 2),
                # At 20 the window [10, 20] holds both still.
                ("u", 15, 25, 0, 1),
                ("u", 20, 30, 0, 0, "empty"),
            ],
        )

    def test_no_expiry_row_where_no_value_changes(self):
        view = (
            "{source: s, window: {sliding: 10ms, every: 5ms}, emit: on_update,"
            " features: {d: {distinct: kind}}}"
        )
        result = run(
            view, [event(11, kind="a"), event(16, kind="a"), event(40, "w")], mode="live"
        )
        self.assertEqual(
            [row for row in short(result, "d") if row[0] == "u"],
            [("u", 0, 11, 0, 1), ("u", 5, 16, 0, 1), ("u", 20, 30, 0, 0, "empty")],
        )

    def test_an_event_after_the_expiry_with_equal_bounds_counts_on(self):
        # Expiry at 25 (event 11 drops out), then a late event in [15, 25]: T = 25 again.
        result = run(
            UPDATE,
            [event(11), event(16), event(26, "w"), event(17)],
            mode="live",
            allowed_lateness="20ms",
        )
        rows = [row for row in short(result) if row[0] == "u"]
        self.assertEqual(rows[-2:], [("u", 15, 25, 0, 1), ("u", 15, 25, 1, 2)])

    def test_tumbling_starts_at_the_window_and_empties_at_its_end(self):
        result = run(UPDATE_TUMBLING, [event(3), event(7), event(10, "w")], mode="live")
        self.assertEqual(
            [row for row in short(result) if row[0] == "u"],
            [("u", 0, 3, 0, 1), ("u", 0, 7, 0, 2), ("u", 10, 10, 0, 0, "empty")],
        )

    def test_a_boundary_not_after_the_newest_event_is_no_expiry(self):
        # The watermark goes from 2 to 8, past 5; u's newest is at 12.
        result = run(UPDATE, [event(12), event(18, "w")], mode="live", out_of_orderness="10ms")
        self.assertEqual([row for row in short(result) if row[0] == "u"], [("u", 0, 12, 0, 1)])

    def test_the_end_of_a_bounded_run_expires_until_nothing_is_left(self):
        result = run(UPDATE, [event(11), event(16)])
        self.assertEqual(
            short(result), [("u", 0, 11, 0, 1), ("u", 5, 16, 0, 2), ("u", 15, 25, 0, 1)]
        )
        self.assertEqual(result.redis, {"f:u": {"c": 2, "v.window_end": 16}})


SESSION = "{source: s, window: {session: 10ms}, features: {c: {count: true}}}"
SESSION_UPDATE = (
    "{source: s, window: {session: 10ms}, emit: on_update, features: {c: {count: true}}}"
)
LIFETIME = "{source: s, window: lifetime, emit: on_update, features: {c: {count: true}}}"


def of_user(result, user="u"):
    """Rows of one user in the order in which they came."""
    return [
        (
            row["window_start"],
            row["window_end"],
            row["revision"],
            row["features"]["c"],
            *(name for name in ("empty", "retracted") if row.get(name)),
        )
        for row in result.rows
        if row["user"] == user
    ]


class Session(unittest.TestCase):
    def test_a_gap_ends_it_and_exactly_the_gap_does_not(self):
        # 1 and 11 are one session, 22 is another: 11 ms later.
        result = run(SESSION, [event(1), event(11), event(22), event(40, "w")], mode="live")
        self.assertEqual(of_user(result), [(1, 21, 0, 2), (22, 32, 0, 1)])
        self.assertEqual(result.redis, {"f:u": {"c": 1, "v.window_end": 32}})

    def test_it_fires_when_the_watermark_is_at_its_end(self):
        self.assertEqual(of_user(run(SESSION, [event(1), event(10, "w")], mode="live")), [])
        result = run(SESSION, [event(1), event(11, "w")], mode="live")
        self.assertEqual(of_user(result), [(1, 11, 0, 1)])

    def test_the_end_of_a_bounded_run_fires_to_the_outputs_only(self):
        result = run(SESSION, [event(1), event(20)])
        self.assertEqual(of_user(result), [(1, 11, 0, 1), (20, 30, 0, 1)])
        self.assertEqual(result.redis, {"f:u": {"c": 1, "v.window_end": 11}})

    def test_no_empty_rows(self):
        result = run(SESSION, [event(1), event(500, "w")], mode="live")
        self.assertEqual(of_user(result), [(1, 11, 0, 1)])

    def test_an_event_within_the_bounds_of_a_fired_session_counts_the_revision(self):
        result = run(
            SESSION,
            [event(1), event(9), event(19, "w"), event(5)],
            mode="live",
            allowed_lateness="10ms",
        )
        self.assertEqual(of_user(result), [(1, 19, 0, 2), (1, 19, 1, 3)])

    def test_a_fired_session_that_grows_is_withdrawn(self):
        # At watermark 12 the session [1, 11] has fired; 8 makes it [1, 18], which fires later.
        result = run(
            SESSION,
            [event(1), event(12, "w"), event(8), event(18, "w")],
            mode="live",
            allowed_lateness="10ms",
        )
        self.assertEqual(
            of_user(result), [(1, 11, 0, 1), (1, 11, 1, 1, "retracted"), (1, 18, 0, 2)]
        )

    def test_it_fires_at_once_if_the_clock_is_past_the_new_end(self):
        result = run(
            SESSION,
            [event(5), event(20, "w"), event(3)],
            mode="live",
            allowed_lateness="10ms",
        )
        self.assertEqual(
            of_user(result), [(5, 15, 0, 1), (5, 15, 1, 1, "retracted"), (3, 15, 0, 2)]
        )

    def test_an_event_joins_two_fired_sessions(self):
        result = run(
            SESSION,
            [event(1), event(15), event(25, "w"), event(8)],
            mode="live",
            allowed_lateness="50ms",
        )
        self.assertEqual(
            of_user(result),
            [
                (1, 11, 0, 1),
                (15, 25, 0, 1),
                (1, 11, 1, 1, "retracted"),
                (15, 25, 1, 1, "retracted"),
                (1, 25, 0, 3),
            ],
        )

    def test_a_session_that_has_not_fired_is_not_withdrawn(self):
        result = run(
            SESSION,
            [event(1), event(15), event(12, "w"), event(8), event(30, "w")],
            mode="live",
            allowed_lateness="50ms",
        )
        self.assertEqual(
            of_user(result), [(1, 11, 0, 1), (1, 11, 1, 1, "retracted"), (1, 25, 0, 3)]
        )

    def test_the_store_keeps_what_was_withdrawn_until_the_merged_session_fires(self):
        events = [event(1), event(12, "w"), event(8)]
        result = run(SESSION, events, allowed_lateness="10ms")
        self.assertEqual(result.redis["f:u"], {"c": 1, "v.window_end": 11})
        self.assertEqual(of_user(result)[-1], (1, 18, 0, 2))

    def test_lateness_is_judged_after_merging(self):
        # At watermark 25 the own window of 5, [5, 15], is closed; with 14 it lasts until 24, and
        # with 17, which is in [14, 24], until 27.
        late = run(SESSION, [event(14), event(25, "w"), event(5)])
        self.assertEqual(late_offsets(late), [(0, 2, 25)])
        result = run(SESSION, [event(14), event(17), event(25, "w"), event(5)])
        self.assertEqual(late_offsets(result), [])
        self.assertEqual(of_user(result), [(5, 27, 0, 3)])

    def test_closed_when_the_watermark_is_at_end_plus_lateness(self):
        events = [event(1), event(13, "w"), event(2), event(14, "w"), event(3)]
        result = run(SESSION, events, allowed_lateness="2ms")
        # [1, 11] is closed at 13; the own window of 2 lasts until 12 and is open: a session of its
        # own. At 14 that is closed, and [3, 13] alone is not.
        self.assertEqual(result.late, [])
        self.assertEqual(of_user(result), [(1, 11, 0, 1), (2, 12, 0, 1), (3, 13, 0, 1)])

    def test_an_event_that_does_not_pass_is_judged_by_the_sessions_of_those_that_do(self):
        view = SESSION.replace("features", "where: {kind: a}, features")
        events = [event(14, kind="a"), event(17, kind="a"), event(25, "w", kind="a")]
        self.assertEqual(run(view, [*events, event(5, kind="b")]).late, [])
        events[1] = event(17, kind="b")
        late = run(view, [*events, event(5, kind="b")])
        self.assertEqual(late_offsets(late), [(0, 3, 25)])
        self.assertEqual(late.counts["late", "v"], 1)

    def test_late_for_the_session_view_only(self):
        views = SESSION + "\n  day: " + TUMBLING.replace("10ms", "1d")
        result = run(views, [event(50, "w"), event(1)])
        self.assertEqual((result.late, result.counts["late", "v"]), ([], 1))
        self.assertEqual([row["view"] for row in result.rows if row["user"] == "u"], ["day"])

    def test_shuffled_just_the_whole_sessions(self):
        result = run(
            SESSION,
            [event(1), event(15), event(40, "w")],
            [event(8), event(30, "w")],
            partitioning="shuffle",
            allowed_lateness="1s",
        )
        self.assertEqual(of_user(result), [(1, 25, 0, 3)])
        self.assertEqual(result.redis["f:u"], {"c": 3, "v.window_end": 25})
        self.assertEqual(result.open, {})

    def test_shuffled_a_part_of_an_open_session_may_be_shown(self):
        # [1, 11] may fire before 8 comes, which is behind its own partition's watermark.
        result = run(
            SESSION,
            [event(1), event(15, "w")],
            [event(15, "w"), event(8)],
            partitioning="shuffle",
            allowed_lateness="1s",
        )
        self.assertEqual(of_user(result), [(1, 18, 0, 2)])
        self.assertEqual(result.open, {"f:u": {"c", "v.window_end", "v.computed_at"}})

    def test_shuffled_it_may_be_undecided(self):
        # Is 5 late? Not if 17 has come before it and joined it with 14.
        options = {"partitioning": "shuffle"}
        with self.assertRaises(Undecided):
            run(SESSION, [event(14), event(25, "w"), event(5)], [event(17)], **options)
        late = run(SESSION, [event(25, "w"), event(5)], [event(16)], **options)
        self.assertEqual(late_offsets(late), [(0, 1, 25)])


class SessionOnUpdate(unittest.TestCase):
    def test_a_row_per_event_and_an_empty_one_at_the_end(self):
        result = run(SESSION_UPDATE, [event(1), event(5), event(15, "w")], mode="live")
        self.assertEqual(
            of_user(result), [(1, 1, 0, 1), (1, 5, 0, 2), (15, 15, 0, 0, "empty")]
        )

    def test_the_next_session_starts_anew(self):
        result = run(SESSION_UPDATE, [event(1), event(12), event(13)], mode="live")
        self.assertEqual(
            of_user(result),
            # When the watermark reaches 11, by 12, that is of the newest session.
            [(1, 1, 0, 1), (12, 12, 0, 1), (12, 13, 0, 2)],
        )

    def test_an_older_event_repeats_the_bounds_and_counts_the_revision(self):
        result = run(
            SESSION_UPDATE, [event(5), event(3), event(4)], mode="live", out_of_orderness="5ms"
        )
        self.assertEqual(of_user(result), [(5, 5, 0, 1), (3, 5, 0, 2), (3, 5, 1, 3)])

    def test_an_event_of_an_older_session_has_no_row(self):
        events = [event(30), event(5), event(6)]
        result = run(SESSION_UPDATE, events, mode="live", out_of_orderness="40ms")
        self.assertEqual(of_user(result), [(30, 30, 0, 1)])

    def test_an_event_of_a_session_that_has_run_out_has_no_row(self):
        events = [event(1), event(12, "w"), event(1)]
        result = run(SESSION_UPDATE, events, mode="live", allowed_lateness="10ms")
        self.assertEqual(of_user(result), [(1, 1, 0, 1), (11, 11, 0, 0, "empty")])

    def test_a_session_goes_on_after_it_has_run_out(self):
        # The store shows 11 by then, so T is no less.
        events = [event(1), event(12, "w"), event(8), event(18, "w")]
        result = run(SESSION_UPDATE, events, mode="live", allowed_lateness="10ms")
        self.assertEqual(
            of_user(result),
            [(1, 1, 0, 1), (11, 11, 0, 0, "empty"), (1, 11, 0, 2), (18, 18, 0, 0, "empty")],
        )

    def test_no_row_where_nothing_changes_and_none_at_the_end_of_a_bounded_run(self):
        view = SESSION_UPDATE.replace("{count: true}", "{count: n}")
        self.assertEqual(of_user(run(view, [event(1), event(20, "w")])), [(1, 1, 0, 0)])
        result = run(SESSION_UPDATE, [event(1)])
        self.assertEqual(of_user(result), [(1, 1, 0, 1)])
        self.assertEqual(result.redis, {"f:u": {"c": 1, "v.window_end": 1}})


class Lifetime(unittest.TestCase):
    def test_from_the_oldest_event_to_the_newest(self):
        result = run(LIFETIME, [event(5), event(900), event(2), event(7), event(901, "w")])
        self.assertEqual(
            of_user(result), [(5, 5, 0, 1), (5, 900, 0, 2), (2, 900, 0, 3), (2, 900, 1, 4)]
        )
        self.assertEqual(result.redis["f:u"], {"c": 4, "v.window_end": 900})

    def test_nothing_is_late(self):
        views = LIFETIME + "\n  short: " + TUMBLING
        result = run(views, [event(900, "w"), event(1)])
        self.assertEqual((result.late, result.counts["late", "short"]), ([], 1))
        self.assertEqual(of_user(result), [(1, 1, 0, 1)])

    def test_it_starts_anew_after_the_ttl(self):
        # 101 is 100 after 1, which is still the same; 202 is 101 after that.
        events = [event(1), event(101), event(202), event(203)]
        result = run(LIFETIME, events, ttl="100ms", out_of_orderness="1s")
        self.assertEqual(
            of_user(result), [(1, 1, 0, 1), (1, 101, 0, 2), (202, 202, 0, 1), (202, 203, 0, 2)]
        )

    def test_it_starts_anew_once_the_watermark_has_freed_the_state(self):
        freed = run(LIFETIME, [event(1), event(101, "w"), event(50)], ttl="100ms")
        self.assertEqual(of_user(freed), [(1, 1, 0, 1), (50, 50, 0, 1)])
        kept = run(LIFETIME, [event(1), event(100, "w"), event(50)], ttl="100ms")
        self.assertEqual(of_user(kept), [(1, 1, 0, 1), (1, 50, 0, 2)])

    def test_shuffled_the_store_shows_all(self):
        events = [event(5), event(900)], [event(2), event(7)]
        result = run(LIFETIME, *events, partitioning="shuffle")
        self.assertEqual(result.rows, [])
        self.assertEqual(result.redis["f:u"], {"c": 4, "v.window_end": 900})

    def test_shuffled_it_may_be_undecided(self):
        with self.assertRaises(Undecided):
            run(LIFETIME, [event(1)], [event(102)], partitioning="shuffle", ttl="100ms")


class Dedup(unittest.TestCase):
    WITHIN = {"dedup": "{field: kind, within: 10ms}", "allowed_lateness": "1s"}

    def count(self, *events, view=TUMBLING.replace("10ms", "1s"), **options):
        result = run(view, list(events), **{**self.WITHIN, **options})
        total = sum(row["features"]["c"] for row in result.rows if row["user"] == "u")
        return total, result.counts["duplicates", "s"]

    def test_the_same_key_and_id_within(self):
        self.assertEqual(self.count(event(1, kind="a"), event(11, kind="a")), (1, 1))
        self.assertEqual(self.count(event(11, kind="a"), event(1, kind="a")), (1, 1))
        self.assertEqual(self.count(event(1, kind="a"), event(12, kind="a")), (2, 0))
        self.assertEqual(self.count(event(1, kind="a"), event(1, kind="b")), (2, 0))
        self.assertEqual(self.count(event(1, kind="a"), event(1, "w", kind="a")), (1, 0))

    def test_only_an_accepted_one_counts(self):
        # 11 is dropped, so 21 has nothing within 10 ms.
        events = [event(at, kind="a") for at in (1, 11, 21)]
        self.assertEqual(self.count(*events), (2, 1))

    def test_without_the_field(self):
        self.assertEqual(self.count(event(1), event(1), event(1)), (3, 0))

    def test_integer_ids(self):
        dedup = "{field: n, within: 1h}"
        events = [event(1, n=7), event(9, n=7), event(9, n=8)]
        self.assertEqual(self.count(*events, dedup=dedup), (2, 1))

    def test_a_late_event_is_not_remembered(self):
        events = [event(2000, "w"), event(995, kind="a"), event(1000, kind="a")]
        result = run(
            TUMBLING.replace("10ms", "1s"), events, **{**self.WITHIN, "allowed_lateness": "1ms"}
        )
        self.assertEqual(late_offsets(result), [(0, 1, 2000)])
        self.assertEqual(result.counts["duplicates", "s"], 0)

    def test_an_event_that_passes_no_where_is_remembered(self):
        view = TUMBLING.replace("10ms", "1s").replace("features", "where: {n: 1}, features")
        events = [event(1, kind="a", n=2), event(2, kind="a", n=1)]
        self.assertEqual(self.count(*events, view=view), (0, 1))

    def test_a_duplicate_advances_the_watermark(self):
        result = run(TUMBLING, [event(5, kind="a"), event(15, kind="a")], mode="live",
                     dedup="{field: kind, within: 10ms}")  # fmt: skip
        self.assertEqual(short(result), [("u", 0, 10, 0, 1)])

    def test_a_duplicate_extends_no_session(self):
        events = [event(1, kind="a"), event(9, kind="a"), event(30, "w")]
        result = run(SESSION, events, mode="live", **self.WITHIN)
        self.assertEqual(of_user(result), [(1, 11, 0, 1)])

    def test_shuffled_duplicates_in_two_partitions_are_undecided(self):
        partitions = [event(1, kind="a")], [event(2, kind="a")]
        with self.assertRaises(Undecided):
            run(TUMBLING, *partitions, partitioning="shuffle", **self.WITHIN)
        apart = [event(1, kind="a")], [event(20, kind="a")]
        run(TUMBLING, *apart, partitioning="shuffle", **self.WITHIN)


ALL = (
    "{source: s, window: {tumbling: 10ms}, features: {c: {count: true}, n: {count: n},"
    " sum_n: {sum: n}, sum_x: {sum: x}, sum_m: {sum: money}, mean_m: {mean: money},"
    " min_m: {min: money}, max_n: {max: n}, max_t: {max: when}, d: {distinct: kind},"
    " h: {histogram: kind}, hm: {histogram: money}, hf: {histogram: flag}}}"
)


class Features(unittest.TestCase):
    def values(self, *events, view=ALL):
        (row,) = run(view, list(events)).rows
        return row["features"]

    def test_all_present(self):
        values = self.values(
            event(1, n=5, x=0.5, money=1.10, kind="a", flag=True, when=77),
            event(2, n=-7, x=0.25, money=2.205, kind="b", flag=False, when="1970-01-01T00:00:01Z"),
            event(3, kind="a", flag=True),
        )
        self.assertEqual(values["c"], 3)
        self.assertEqual(values["n"], 2)
        self.assertEqual(values["sum_n"], -2)
        self.assertTrue(values["sum_x"].matches(0.75))
        self.assertEqual(values["sum_m"], "3.31")  # 2.205 is 2.21
        self.assertTrue(values["mean_m"].matches(1.655))
        self.assertEqual(values["min_m"], "1.10")
        self.assertEqual(values["max_n"], 5)
        self.assertEqual(values["max_t"], 1000)
        self.assertEqual(values["d"], 2)
        self.assertEqual(values["h"], {"a": 2, "b": 1})
        self.assertEqual(values["hm"], {"1.10": 1, "2.21": 1})
        self.assertEqual(values["hf"], {"true": 2, "false": 1})

    def test_nothing_present(self):
        # The window holds an event that no feature but the count takes: the "empty" column.
        self.assertEqual(
            self.values(event(1)),
            {
                "c": 1,
                "n": 0,
                "sum_n": 0,
                "sum_x": Approx(0.0, 0.0),
                "sum_m": "0.00",
                "mean_m": None,
                "min_m": None,
                "max_n": None,
                "max_t": None,
                "d": 0,
                "h": {},
                "hm": {},
                "hf": {},
            },
        )

    def test_an_integer_sum_saturates(self):
        top = 2**63 - 1
        self.assertEqual(self.values(event(1, n=top), event(2, n=1))["sum_n"], top)
        self.assertEqual(self.values(event(1, n=-top), event(2, n=-9))["sum_n"], -top - 1)

    def test_distinct_is_exact_to_64_values(self):
        exact = self.values(*[event(1, kind=f"k{i}") for i in range(64)])["d"]
        self.assertEqual(exact, 64)
        estimate = self.values(*[event(1, kind=f"k{i}") for i in range(100)])["d"]
        self.assertTrue(estimate.matches(94) and estimate.matches(106))
        self.assertFalse(estimate.matches(93) or estimate.matches(107))

    def test_histogram_beyond_its_limit(self):
        view = (
            "{source: s, window: {tumbling: 10ms}, features: {h: {histogram: kind, limit: 2}}}"
        )
        events = [event(1, kind=kind) for kind in "aab"]
        self.assertEqual(self.values(*events, view=view)["h"], {"a": 2, "b": 1})
        over = self.values(*events, event(1, kind="c"), view=view)["h"]
        self.assertIsInstance(over, Histogram)
        self.assertTrue(over.matches({"a": 2, "b": 1, "__other__": 1}))
        self.assertTrue(over.matches({"c": 1, "__other__": 3}))
        self.assertFalse(over.matches({"a": 3, "b": 1}))  # more than there are
        self.assertFalse(over.matches({"a": 2, "b": 1}))  # one is missing
        self.assertFalse(over.matches({"a": 2, "b": 1, "c": 1}))  # over the limit

    def one(self, feature, *events):
        view = f"{{source: s, window: {{tumbling: 10ms}}, features: {{f: {feature}}}}}"
        return self.values(*events, view=view)["f"]

    def test_variance_and_stddev(self):
        # Mean 5, squared differences 9 1 1 1 0 0 4 16: 32 in all.
        events = [event(1, n=n, money=n / 100) for n in (2, 4, 4, 4, 5, 5, 7, 9)]
        for feature, wanted in [
            ("{variance: n}", 4.0),
            ("{stddev: n}", 2.0),
            ("{variance: n, sample: true}", 32 / 7),
            ("{stddev: n, sample: true}", 2.1380899352993947),
            ("{variance: money}", 0.0004),
            ("{stddev: money}", 0.02),
        ]:
            with self.subTest(feature=feature):
                found = self.one(feature, *events)
                self.assertTrue(found.matches(wanted) and found.matches(wanted * (1 + 5e-10)))
                self.assertFalse(found.matches(wanted * (1 + 1e-8)))

    def test_variance_of_next_to_nothing(self):
        for sample in ("", ", sample: true"):
            self.assertIsNone(self.one(f"{{variance: n{sample}}}", event(1)))
        self.assertEqual(self.one("{variance: x}", event(1, x=0.1)).value, 0)
        self.assertEqual(self.one("{stddev: x}", event(1, x=0.1)).value, 0)
        self.assertIsNone(self.one("{variance: x, sample: true}", event(1, x=0.1)))
        self.assertIsNone(self.one("{stddev: x, sample: true}", event(1, x=0.1)))
        # Far from 0 what is left of the digits decides: 1 of 10^15 is much, of 10^17 nothing.
        near = self.one("{stddev: x}", event(1, x=1e6), event(1, x=1e6 + 1))
        self.assertTrue(near.matches(0.5) and not near.matches(0.50001))

    def test_first_and_last(self):
        # In order of event time, then of partition and offset, not of arrival.
        events = [event(3, n=30), event(1, n=10), event(3, n=31), event(2), event(2, n=20)]
        for feature, wanted in [
            ("{first: n}", 10),
            ("{last: n}", 31),
            ("{first: n, n: 1}", [10]),
            ("{last: n, n: 1}", [31]),
            ("{first: n, n: 3}", [10, 20, 30]),
            ("{last: n, n: 3}", [20, 30, 31]),
            ("{last: n, n: 9}", [10, 20, 30, 31]),
            ("{list: n}", [10, 20, 30, 31]),
            ("{list: n, limit: 2}", [30, 31]),
            ("{last: n, where: {n: {lt: 20}}}", 10),
        ]:
            with self.subTest(feature=feature):
                self.assertEqual(self.one(feature, *events), wanted)
        for feature, wanted in [("{first: n}", None), ("{last: n, n: 2}", []), ("{list: n}", [])]:
            self.assertEqual(self.one(feature, event(1)), wanted)

    def test_elements_are_spelled_as_in_rows(self):
        events = [
            event(1, money=1.5, flag=True, kind='"', when="1970-01-01T00:00:01Z", x=0.5),
            event(2, money=-2, flag=False, kind="é", when=3, x=2.0),
        ]
        for name, wanted in [
            ("money", "[1.50,-2.00]"),
            ("flag", "[true,false]"),
            ("kind", '["\\"","é"]'),
            ("when", "[1000,3]"),
            ("x", "[0.5,2.0]"),
        ]:
            self.assertEqual(as_json(self.one(f"{{list: {name}}}", *events)), wanted)
        self.assertEqual(as_text(self.one("{last: flag}", *events)), "false")
        self.assertEqual(as_text(self.one("{first: money}", *events)), "1.50")

    def test_list_keeps_the_newest_thousand(self):
        events = [event(1, n=n) for n in range(1003)]
        self.assertEqual(self.one("{list: n}", *events), list(range(3, 1003)))

    def test_top(self):
        events = [event(1, kind=kind, n=ord(kind), flag=kind > "b") for kind in "cbaabc"]
        events += [event(1, kind="d", n=9)]
        for feature, wanted in [
            ("{top: kind}", "a"),  # as often as b and c
            ("{top: kind, n: 2}", ["a", "b"]),
            ("{top: kind, n: 9}", ["a", "b", "c", "d"]),
            ("{top: n}", 97),
            ("{top: n, n: 4}", [97, 98, 99, 9]),
            ("{top: flag}", False),
            ("{top: kind, where: {kind: {gt: b}}}", "c"),
        ]:
            with self.subTest(feature=feature):
                self.assertEqual(self.one(feature, *events), wanted)
        # Ties go by the bytes of the text: "10" is before "9".
        self.assertEqual(self.one("{top: n, n: 2}", event(1, n=9), event(1, n=10)), [10, 9])
        self.assertEqual(
            self.one("{top: money, n: 2}", event(1, money=-1), event(1, money=1)),
            ["-1.00", "1.00"],
        )
        self.assertIsNone(self.one("{top: kind}", event(1)))
        self.assertEqual(self.one("{top: kind, n: 2}", event(1)), [])

    def test_top_of_many_values(self):
        exact = [event(1, kind=f"k{i:03}") for i in range(256)]
        self.assertEqual(self.one("{top: kind}", *exact), "k000")
        # 257 values and 771 events: a count may be too low by 3, two of them by 6.
        often = [event(1, kind="a")] * 300 + [event(1, kind="b")] * 208 + [event(1, kind="c")] * 7
        top = self.one("{top: kind, n: 2}", *exact[:254], *often, *exact[:2])
        self.assertIsInstance(top, Top)
        self.assertEqual((sum(top.counts.values()), top.slack), (771, 6.0))
        self.assertTrue(top.matches(["a", "b"]))
        self.assertFalse(top.matches(["b", "a"]))
        self.assertFalse(top.matches(["a"]))  # b is too frequent to be lost
        self.assertFalse(top.matches(["a", "a"]))
        self.assertFalse(top.matches(["a", "b", "c"]))
        wide = Top({"a": 9, "b": 8, "c": 2}, "string", 2, 6.0)
        self.assertTrue(wide.matches(["b", "a"]) and wide.matches(["a", "c"]))
        self.assertFalse(wide.matches(["c", "a"]) or wide.matches(["a", "z"]))
        few = Top({"a": 2, "b": 1}, "string", None, 4.0)
        self.assertTrue(few.matches(["a"]) and few.matches(["b"]) and few.matches([]))

    def test_ties_of_doubles_are_free(self):
        top = self.one("{top: x}", event(1, x=0.5), event(1, x=2), event(1, x=2), event(1, x=0.5))
        self.assertTrue(top.matches(["0.5"]) and top.matches(["2.0"]))
        self.assertFalse(top.matches(["1.0"]) or top.matches([]))

    def test_quantile(self):
        events = [event(1, n=n, money=n / 100) for n in (400, 100, 300, 200)]
        for q, wanted in [("0.5", 200), ("0.34", 200), ("0.33", 100), ("0.99", 300)]:
            with self.subTest(q=q):
                found = self.one(f"{{quantile: n, q: {q}}}", *events)
                self.assertEqual((found.ranked, found.least), ((wanted,), 100))
                self.assertEqual(found.greatest, 400)
        self.assertEqual(self.one("{quantile: n, q: 0}", *events).value, 100)
        self.assertEqual(self.one("{quantile: n, q: 1}", *events).value, 400)
        self.assertEqual(self.one("{quantile: n, q: 1.0}", *events), Approx(400.0, 0))
        self.assertEqual(self.one("{quantile: money, q: 0.5}", *events).value, 2.0)
        self.assertIsNone(self.one("{quantile: n, q: 0.5}", event(1)))

    def test_the_tolerance_of_a_quantile(self):
        found = Quantile((200.0,), 199.0, 400.0)
        self.assertTrue(found.matches(202.0) and found.matches(199.0))
        self.assertFalse(found.matches(202.1))
        self.assertFalse(found.matches(198.5))  # less than the least
        self.assertTrue(Quantile((0.0,), -1.0, 1.0).matches(1e-9))
        self.assertFalse(Quantile((0.0,), -1.0, 1.0).matches(1e-8))
        self.assertTrue(Quantile((-200.0,), -400.0, 0.0).matches(-202.0))

    def test_a_rank_on_the_edge_of_what_binary_holds(self):
        # 0.29 * 100 is 29, and 28.999999999999996 as a double.
        found = self.one("{quantile: n, q: 0.29}", *[event(1, n=n) for n in range(101)])
        self.assertEqual(found.ranked, (28.0, 29.0))

    def test_since_previous(self):
        self.assertIsNone(self.one("{since_previous: true}", event(1)))
        events = [event(8), event(1), event(5)]
        self.assertEqual(self.one("{since_previous: true}", *events), 3)
        self.assertEqual(self.one("{since_previous: true}", *events, event(8)), 0)
        feature = "{since_previous: true, where: {kind: a}}"
        self.assertEqual(self.one(feature, event(1, kind="a"), event(7, kind="a"), event(9)), 6)

    def test_order_is_over_all_partitions(self):
        view = "{source: s, window: {tumbling: 10ms}, features: {f: {list: n}}}"
        partitions = [event(2, n=1), event(2, n=2)], [event(2, n=3), event(1, n=4), event(3, n=5)]
        result = run(view, *partitions, partitioning="shuffle", allowed_lateness="10ms")
        self.assertEqual(result.rows[-1]["features"]["f"], [4, 1, 2, 3, 5])

    def test_a_features_own_where(self):
        view = (
            "{source: s, window: {tumbling: 10ms}, where: {n: {gt: 1}}, features:"
            " {c: {count: true}, a: {count: true, where: {kind: a}},"
            " s: {sum: n, where: {kind: a}}}}"
        )
        values = self.values(
            event(1, n=1, kind="a"), event(1, n=2, kind="a"), event(1, n=3, kind="b"), view=view
        )
        self.assertEqual(values, {"c": 2, "a": 1, "s": 2})

    def test_a_window_holds_an_event_that_no_feature_takes(self):
        view = "{source: s, window: {tumbling: 10ms}, features: {n: {count: n}}}"
        result = run(view, [event(1), event(20, "w", n=1)], mode="live")
        self.assertEqual(
            short(result, "n"), [("u", 0, 10, 0, 0), ("u", 10, 20, 0, 0, "empty")]
        )


class Where(unittest.TestCase):
    def passing(self, where, *events):
        view = (
            f"{{source: s, window: {{tumbling: 10ms}}, where: {where},"
            " features: {c: {count: true}}}"
        )
        return sum(row["features"]["c"] for row in run(view, list(events)).rows)

    def holds(self, where, **fields):
        return self.passing(where, event(1, **fields)) == 1

    def test_a_scalar_and_a_list(self):
        self.assertTrue(self.holds("{kind: a}", kind="a"))
        self.assertFalse(self.holds("{kind: a}", kind="b"))
        self.assertTrue(self.holds("{kind: [a, b]}", kind="b"))
        self.assertFalse(self.holds("{kind: [a, b]}", kind="c"))
        self.assertTrue(self.holds("{flag: true}", flag=True))
        self.assertTrue(self.holds("{n: [1, 2]}", n=2))
        self.assertTrue(self.holds("{money: 1.10}", money=1.1))

    def test_all_entries_must_hold(self):
        self.assertTrue(self.holds("{kind: a, n: {ge: 2, lt: 4}}", kind="a", n=3))
        self.assertFalse(self.holds("{kind: a, n: {ge: 2, lt: 4}}", kind="a", n=4))
        self.assertFalse(self.holds("{kind: a, n: {ge: 2, lt: 4}}", kind="b", n=3))

    def test_operators(self):
        for op, below, equal, above in [
            ("eq", False, True, False),
            ("ne", True, False, True),
            ("gt", False, False, True),
            ("ge", False, True, True),
            ("lt", True, False, False),
            ("le", True, True, False),
        ]:
            with self.subTest(op=op):
                where = f"{{money: {{{op}: 2.50}}}}"
                self.assertEqual(self.holds(where, money=2.49), below)
                self.assertEqual(self.holds(where, money=2.5), equal)
                self.assertEqual(self.holds(where, money=2.51), above)

    def test_types_of_operands(self):
        self.assertTrue(self.holds("{x: {gt: 0.1}}", x=0.2))
        self.assertTrue(self.holds("{when: {lt: 1970-01-01T00:00:01Z}}", when=999))
        self.assertFalse(self.holds("{when: {lt: 1970-01-01T00:00:01Z}}", when=1000))
        self.assertTrue(self.holds("{kind: {gt: a}}", kind="b"))

    def test_absent_fields(self):
        for op in ("eq", "ne", "gt", "ge", "lt", "le"):
            self.assertFalse(self.holds(f"{{n: {{{op}: 1}}}}"))
        self.assertFalse(self.holds("{n: [1, 2]}"))
        self.assertTrue(self.holds("{not: {n: {ne: 1}}}"))
        self.assertTrue(self.holds("{n: {exists: false}}"))
        self.assertFalse(self.holds("{n: {exists: true}}"))
        self.assertTrue(self.holds("{n: {exists: true}}", n=0))

    def test_nested(self):
        where = "{not: {any: [{kind: [a, b]}, {not: {n: {exists: true}}}]}}"
        self.assertTrue(self.holds(where, kind="c", n=1))
        self.assertFalse(self.holds(where, kind="a", n=1))
        self.assertFalse(self.holds(where, kind="c"))
        self.assertTrue(self.holds("{not: {kind: a}, any: [{n: 1}, {n: 2}]}", kind="b", n=2))
        self.assertFalse(self.holds("{not: {kind: a}, any: [{n: 1}, {n: 2}]}", kind="b", n=3))
        self.assertTrue(self.holds("{not: {kind: {exists: false}, n: 1}}", n=2))

    def test_not_and_any(self):
        self.assertFalse(self.holds("{not: {kind: a, n: 1}}", kind="a", n=1))
        self.assertTrue(self.holds("{not: {kind: a, n: 1}}", kind="a", n=2))
        self.assertTrue(self.holds("{any: [{kind: a}, {n: 1}]}", kind="b", n=1))
        self.assertFalse(self.holds("{any: [{kind: a}, {n: 1}]}", kind="b", n=2))
        self.assertTrue(self.holds("{any: [{not: {kind: a}}, {n: 1}], flag: true}", flag=True))


class Shuffle(unittest.TestCase):
    def test_one_last_row_a_window_over_all_partitions(self):
        result = run(
            TUMBLING,
            [event(1), event(20, "w")],
            [event(2), event(15, "w")],
            partitioning="shuffle",
        )
        rows = [row[:3] + row[4:] for row in short(result)]
        self.assertEqual(
            rows,
            [
                ("u", 0, 10, 2),
                # The watermark of the group is the lower, 15: no empty row at 20.
                ("w", 10, 20, 1),
                ("w", 20, 30, 1),
            ],
        )
        self.assertEqual(result.redis, {"f:u": {"c": 2, "v.window_end": 10}})

    def test_lateness_is_the_own_partitions(self):
        result = run(
            TUMBLING, [event(50, "w"), event(1)], [event(2)], [], partitioning="shuffle"
        )
        self.assertEqual(late_offsets(result), [(0, 1, 50)])
        self.assertIn(("u", 0, 10, 0, 1), short(result))

    def test_on_update_shows_the_trailing_window_of_the_newest_event(self):
        result = run(
            UPDATE,
            [event(11), event(30, "w")],
            [event(16), event(25, "w")],
            partitioning="shuffle",
        )
        self.assertEqual(result.rows, [])
        self.assertEqual(result.redis["f:u"], {"c": 1, "v.window_end": 25})


class OnlineStore(unittest.TestCase):
    def redis(self, view_options, *events, features="{c: {count: true}, m: {max: n}}", **source):
        view = (
            f"{{source: s, window: {{tumbling: 10ms}}, features: {features}, {view_options}}}"
        )
        return run(view, list(events), **source).redis.get("f:u")

    def test_the_newest_window_that_the_watermark_reached(self):
        # [10, 20) fires by the end of the run only.
        self.assertEqual(
            self.redis("emit: on_close", event(1, n=4), event(12, n=5)),
            {"c": 1, "m": 4, "v.window_end": 10},
        )

    def test_nothing_reached_nothing_shown(self):
        self.assertIsNone(self.redis("emit: on_close", event(1)))

    def test_an_older_window_fired_again_is_not_shown(self):
        events = [event(1), event(11), event(12), event(20, "w"), event(2)]
        self.assertEqual(
            self.redis("emit: on_close", *events, allowed_lateness="50ms"),
            {"c": 2, "v.window_end": 20},
        )

    def test_the_newest_window_fired_again_is(self):
        events = [event(1), event(11, n=3), event(20, "w"), event(12, n=7)]
        self.assertEqual(
            self.redis("emit: on_close", *events, allowed_lateness="50ms"),
            {"c": 2, "m": 7, "v.window_end": 20},
        )

    def test_when_empty(self):
        events = [event(1, n=4), event(30, "w")]
        self.assertEqual(self.redis("when_empty: zero", *events), {"c": 0, "v.window_end": 20})
        self.assertEqual(
            self.redis("when_empty: keep", *events), {"c": 1, "m": 4, "v.window_end": 10}
        )
        self.assertEqual(self.redis("when_empty: delete", *events), {"v.window_end": 20})

    def test_a_key_comes_back_after_an_empty_row(self):
        events = [event(1, n=4), event(31), event(40, "w")]
        for when_empty in ("zero", "keep", "delete"):
            with self.subTest(when_empty=when_empty):
                self.assertEqual(
                    self.redis(f"when_empty: {when_empty}", *events), {"c": 1, "v.window_end": 40}
                )

    def test_kept_window_that_is_corrected(self):
        events = [event(1, n=4), event(30, "w"), event(2)]
        self.assertEqual(
            self.redis("when_empty: keep", *events, allowed_lateness="50ms"),
            {"c": 2, "m": 4, "v.window_end": 10},
        )

    def test_unchanged_skip_tells_since_when(self):
        events = [event(1), event(11), event(21), event(30, "w")]
        self.assertEqual(
            self.redis("unchanged: skip", *events), {"c": 1, "v.window_end": 10}
        )
        self.assertEqual(
            self.redis("unchanged: emit", *events), {"c": 1, "v.window_end": 30}
        )
        self.assertEqual(
            self.redis("unchanged: skip", event(2), *events), {"c": 1, "v.window_end": 20}
        )

    def test_without_metadata(self):
        text = pipeline(TUMBLING).replace('key: "f:{user}"', 'key: "f:{user}", metadata: false')
        result = compute(text, {"t": {0: records([event(1), event(10)])}})
        self.assertEqual(result.redis, {"f:u": {"c": 1}})

    def test_text(self):
        self.assertEqual(as_text({"b": 1, "a": 2}), '{"a":2,"b":1}')
        self.assertEqual(as_text(12), "12")
        self.assertEqual(as_text(Approx(0.1, 0.0)), "0.1")
        self.assertEqual(as_text("raw"), "raw")


class IdleClock(unittest.TestCase):
    def test_it_fires_but_makes_nothing_late(self):
        events = ([event(1)], [event(35, "w")])
        clocks = {("s", 0): 35}
        result = run(TUMBLING, *events, mode="live", idle_clocks=clocks)
        self.assertEqual(short(result), [("u", 0, 10, 0, 1), ("u", 10, 20, 0, 0, "empty")])
        self.assertEqual(result.watermarks[("s", 0)], 1)

    def test_of_a_shuffled_source(self):
        # Partition 0 would hold the windows back at 1; idle, it is as far as the other.
        events = ([event(1)], [event(2), event(35, "w")])
        options = {"mode": "live", "partitioning": "shuffle"}
        self.assertEqual(short(run(TUMBLING, *events, **options)), [])
        result = run(TUMBLING, *events, idle_clocks={("s", 0): 35}, **options)
        self.assertEqual(short(result), [("u", 0, 10, 0, 2), ("u", 10, 20, 0, 0, "empty")])


DECODE = """
pipeline: p
kafka: {brokers: localhost:1, group: g}
sources:
  s:
    topic: t
    format: json
    entity: user
    time: {field: meta.at, unit: %s}
    fields:
      user: string
      i: {type: int64, optional: true}
      x: {type: double, optional: true}
      d: {type: decimal(2), optional: true}
      b: {type: bool, optional: true}
      w: {type: timestamp, optional: true}
      s: {type: string, optional: true}
      page: {path: properties.page, type: string, default: unknown}
      required: {type: int64, default: 7}
    max_future: 60s
views: {}
"""


class Decode(unittest.TestCase):
    def setUp(self):
        self.sources = {
            unit: read_pipeline(DECODE % unit).sources[0] for unit in ("ms", "s", "us", "iso8601")
        }

    def decode(self, text, unit="ms", timestamp=None):
        value = text if isinstance(text, bytes) or text is None else text.encode()
        return decode(self.sources[unit], 0, Record(0, timestamp, None, value))

    def reason(self, text, **options):
        with self.assertRaises(Reject) as caught:
            self.decode(text, **options)
        return caught.exception.reason, caught.exception.field

    def field(self, name, json_text):
        return self.decode(f'{{"meta":{{"at":1}},"user":"u","{name}":{json_text}}}').fields[name]

    def field_reason(self, name, json_text):
        return self.reason(f'{{"meta":{{"at":1}},"user":"u","{name}":{json_text}}}')

    def time(self, json_text, unit):
        return self.decode(f'{{"meta":{{"at":{json_text}}},"user":"u"}}', unit).time

    def time_reason(self, json_text, unit):
        return self.reason(f'{{"meta":{{"at":{json_text}}},"user":"u"}}', unit=unit)

    def test_documents(self):
        self.assertEqual(self.reason(None), ("null_value", None))
        good = '{"meta":{"at":1},"user":"u"}'
        self.assertEqual(self.decode(f" \t\r\n{good}\n").key, "u")
        for bad in [
            "", " ", "[]", "1", '"x"', "null", good + "x", good + "{}", good[:-1], "{'a':1}",
            '{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}', '{"a":01}', '{"a":1.}', '{"a":.5}',
            '{"a":+1}', '{"a":1,}', '{"a":[1,]}', '{"a" 1}', '{"a":"\t"}', '{"a":"\x00"}',
            r'{"a":"\ud800"}', r'{"a":"\udc00\ud800"}', r'{"\ud83d":1}', r'{"a":"\x41"}',
            r'{"a":"\ud800","a":1}', r'{"a":"\\\ud800"}', '{"a":tru}', "\ufeff" + good,
            b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}',
        ]:
            with self.subTest(document=bad):
                self.assertEqual(self.reason(bad), ("malformed", None))
        for fine in [r'"\ud83d\ude00"', r'"\\ud800"', '"\x7f"', r'"\u0000"', "[1e999]", "-0"]:
            with self.subTest(value=fine):
                self.decode(f'{{"z":{fine},"meta":{{"at":1}},"user":"u"}}')

    def test_missing(self):
        self.assertEqual(self.reason('{"user":"u"}'), ("missing", "meta.at"))
        self.assertEqual(self.reason('{"meta":{"at":null},"user":"u"}'), ("missing", "meta.at"))
        self.assertEqual(self.reason('{"meta":3,"user":"u"}'), ("missing", "meta.at"))
        self.assertEqual(self.reason('{"meta":{"at":1}}'), ("missing", "user"))
        self.assertEqual(self.reason('{"meta":{"at":1},"user":null}'), ("missing", "user"))
        self.assertEqual(self.reason('{"meta":{"at":1},"user":""}'), ("empty_entity", "user"))
        event_ = self.decode('{"meta":{"at":1},"user":"u","properties":null,"required":null}')
        self.assertEqual(event_.fields["page"], "unknown")
        self.assertEqual(event_.fields["required"], 7)
        self.assertEqual(repr(event_.fields["i"]), "ABSENT")

    def test_order_of_the_checks(self):
        # Time before fields, fields as declared, the empty entity after them, the future last.
        self.assertEqual(self.reason('{"i":"x"}'), ("missing", "meta.at"))
        self.assertEqual(self.reason('{"meta":{"at":1},"i":"x"}'), ("missing", "user"))
        self.assertEqual(
            self.reason('{"meta":{"at":1},"user":"","b":1,"i":"x"}'), ("wrong_type", "i")
        )
        self.assertEqual(
            self.reason('{"meta":{"at":99999},"user":""}', timestamp=0), ("empty_entity", "user")
        )

    def test_the_last_of_a_repeated_name_wins(self):
        event_ = self.decode(
            '{"user":"a","meta":{"at":1},"user":"b",'
            '"properties":{"page":"x"},"properties":{"page":"y","page":"z"}}'
        )
        self.assertEqual((event_.key, event_.fields["page"]), ("b", "z"))

    def test_strings_and_bools(self):
        self.assertEqual(self.field("s", r'"\u00e9\ud83d\ude00\n"'), "é😀\n")
        self.assertEqual(self.field("b", "false"), False)
        for name, bad in [("s", "1"), ("s", "true"), ("s", "{}"), ("s", "[]"), ("b", "0"),
                          ("b", '"true"')]:
            self.assertEqual(self.field_reason(name, bad), ("wrong_type", name))

    def test_int64(self):
        self.assertEqual(self.field("i", "9223372036854775807"), 2**63 - 1)
        self.assertEqual(self.field("i", "-9223372036854775808"), -(2**63))
        self.assertEqual(self.field("i", "-0"), 0)
        for bad in ("1.0", "1e3", "1E0", '"1"', "true", "[]", "{}"):
            self.assertEqual(self.field_reason("i", bad), ("wrong_type", "i"))
        for bad in ("9223372036854775808", "-9223372036854775809", "1" + "0" * 5000):
            self.assertEqual(self.field_reason("i", bad), ("overflow", "i"))

    def test_double(self):
        self.assertEqual(self.field("x", "3"), 3.0)
        self.assertEqual(self.field("x", "0.1"), 0.1)
        self.assertEqual(self.field("x", "1e-400"), 0.0)
        self.assertEqual(self.field_reason("x", "1e309"), ("overflow", "x"))
        self.assertEqual(self.field_reason("x", '"1"'), ("wrong_type", "x"))

    def test_decimal_from_the_exact_text(self):
        for text, scaled in [
            ("1", 100), ("1.5", 150), ("1.005", 101), ("-1.005", -101), ("1.00499999", 100),
            ("0.0049999999999999999999999999", 0), ("0.005", 1), ("-0.005", -1), ("1.5e1", 1500),
            ("15e-1", 150), ("2.675", 268), ("0e99999", 0), ("1e-99999", 0), ("-0", 0),
            ("92233720368547758.07", 2**63 - 1), ("-92233720368547758.08", -(2**63)),
            ("92233720368547758.074", 2**63 - 1),
        ]:
            with self.subTest(text=text):
                self.assertEqual(self.field("d", text), scaled)
        for text in ("92233720368547758.08", "92233720368547758.075", "1e17", "1e999999999999"):
            with self.subTest(text=text):
                self.assertEqual(self.field_reason("d", text), ("overflow", "d"))
        self.assertEqual(self.field_reason("d", '"1.5"'), ("wrong_type", "d"))

    def test_scaled_integer_of_many_digits(self):
        self.assertEqual(scaled_integer("0." + "0" * 6000 + "1e6001", 0), 1)
        self.assertEqual(scaled_integer("5" + "0" * 6000 + "e-6001", 0), 1)
        with self.assertRaises(Overflow):
            scaled_integer("1e" + "9" * 50, 0)

    def test_timestamps(self):
        self.assertEqual(self.field("w", "12"), 12)
        self.assertEqual(self.field("w", '"1970-01-01T00:00:01.5Z"'), 1500)
        self.assertEqual(self.field_reason("w", "true"), ("wrong_type", "w"))
        for bad in ("1.5", "-1", '"yesterday"', "253402300800000"):
            self.assertEqual(self.field_reason("w", bad), ("bad_time", "w"))

    def test_time_in_ms(self):
        self.assertEqual(self.time("0", "ms"), 0)
        self.assertEqual(self.time("253402300799999", "ms"), 253402300799999)
        for bad in ("-1", "1.5", "1.0", "1e3", "253402300800000", "9" * 30):
            self.assertEqual(self.time_reason(bad, "ms"), ("bad_time", "meta.at"))
        for bad in ('"1"', "true", "[]", "{}"):
            self.assertEqual(self.time_reason(bad, "ms"), ("wrong_type", "meta.at"))

    def test_time_in_us(self):
        self.assertEqual(self.time("1999", "us"), 1)
        self.assertEqual(self.time("253402300799999999", "us"), 253402300799999)
        for bad in ("-1", "1.5", "253402300800000000"):
            self.assertEqual(self.time_reason(bad, "us"), ("bad_time", "meta.at"))

    def test_time_in_seconds(self):
        for text, ms in [
            ("1", 1000), ("1.0004", 1000), ("1.0005", 1001), ("0.0005", 1), ("1.5e3", 1500000),
            # As a binary float the next one is a little below the half.
            ("1700000000.0015", 1700000000002),
            ("-0.0004", 0), ("253402300799.9994", 253402300799999),
        ]:
            with self.subTest(text=text):
                self.assertEqual(self.time(text, "s"), ms)
        for bad in ("-1", "-0.0005", "253402300799.9995", "1e400"):
            self.assertEqual(self.time_reason(bad, "s"), ("bad_time", "meta.at"))
        self.assertEqual(self.time_reason('"1"', "s"), ("wrong_type", "meta.at"))

    def test_time_in_iso_8601(self):
        for text, ms in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00", 0),
            ("1970-01-02T00:00:00.1", 86400100),
            ("1970-01-01T01:00:00.0019999+01:00", 1),
            ("1969-12-31T23:00:00-02:30", 5400000),
            ("2024-02-29T12:34:56.789Z", 1709210096789),
            ("9999-12-31T23:59:59.999999Z", 253402300799999),
        ]:
            with self.subTest(text=text):
                self.assertEqual(self.time(f'"{text}"', "iso8601"), ms)
        for bad in [
            "", "now", "1969-12-31T23:59:59.999Z", "2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z",
            "2023-01-01T24:00:01Z", "2023-01-01T00:60:00Z", "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00Zx", "2023-1-01T00:00:00Z", "10000-01-01T00:00:00Z",
            "2023-01-01T00:00:00+24:00",
        ]:
            with self.subTest(text=bad):
                self.assertEqual(self.time_reason(f'"{bad}"', "iso8601"), ("bad_time", "meta.at"))
        self.assertEqual(self.time_reason("0", "iso8601"), ("wrong_type", "meta.at"))

    def test_the_future_is_measured_against_the_record(self):
        text = '{"meta":{"at":60001},"user":"u"}'
        self.assertEqual(self.reason(text, timestamp=0), ("future", "meta.at"))
        self.assertEqual(self.decode(text, timestamp=1).time, 60001)
        self.assertEqual(self.decode(text, timestamp=None).time, 60001)


class DeadLetters(unittest.TestCase):
    def test_they_are_listed_and_move_no_watermark(self):
        topic = [
            Record(0, 0, None, b'{"at":10000000,"user":"u"}'),
            Record(1, 0, None, None),
            Record(2, 0, None, b'{"at":1,"user":"u","n":"one"}'),
            Record(3, 0, None, b'{"at":1,"user":"u"}'),
        ]
        result = compute(pipeline(TUMBLING), {"t": {3: topic}})
        self.assertEqual(
            [(d["partition"], d["offset"], d["error"], d["field"]) for d in result.dead_letters],
            [(3, 0, "future", "at"), (3, 1, "null_value", None), (3, 2, "wrong_type", "n")],
        )
        self.assertEqual(result.watermarks, {("s", 3): 1})
        self.assertEqual(result.counts["events", "s"], 1)
        self.assertEqual(result.counts["dead_letters", "s", "future"], 1)


class PipelineFile(unittest.TestCase):
    def test_durations(self):
        self.assertEqual(duration_ms("5ms"), 5)
        self.assertEqual(duration_ms("-3s"), -3000)
        self.assertEqual(duration_ms("25h"), 90_000_000)
        self.assertEqual(duration_ms("1d"), 86_400_000)

    def test_defaults(self):
        text = DECODE % "ms"
        source = read_pipeline(text.replace("    max_future: 60s\n", "")).sources[0]
        self.assertFalse(source.aligned)
        self.assertEqual(
            (source.out_of_orderness, source.allowed_lateness, source.max_future), (0, 0, 60_000)
        )
        self.assertEqual((source.late_topic, source.dead_letter_topic), (None, None))


if __name__ == "__main__":
    unittest.main()
