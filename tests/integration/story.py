"""What tests of checkpoints have in common: a topic that is written in parts, engines that come and go
meanwhile, and in the end the results of one that was never interrupted.

No idle clocks: what there must be follows from the events alone. A story is told by live runs, which
are killed or stopped at any time, and ends with a bounded run; its outcome is that of a bounded run
over everything.
"""

import functools
from dataclasses import replace

import compare
from engine import read_rows
from events import HOUR, Traffic, traffic
from harness import BOUNDED_SECONDS, load, require
from process import wait_until
from reference import compute
from watch import Watch

PARTITIONS = 4

# Every kind of window, both emissions, ids to deduplicate by, sketches; late and bad records.
PIPELINE = """
pipeline: story
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
      page: {type: string, optional: true}
      amount: {type: decimal(2), optional: true}
    out_of_orderness: 30s
    allowed_lateness: 10m
    idle_after: 48h
    dedup: {field: event_id, within: 10m}
    late_topic: late
    dead_letter_topic: dlq
views:
  hours:
    source: events
    window: {tumbling: 1h}
    features:
      hour_count: {count: true}
      hour_types: {histogram: event_type}
      hour_pages: {distinct: page}
  recent:
    source: events
    window: {sliding: 10m, every: 1m}
    features:
      recent_count: {count: true}
      recent_amount: {sum: amount}
      recent_pages: {last: page, n: 3}
  trailing:
    source: events
    window: {sliding: 1h, every: 5m}
    emit: on_update
    features:
      trailing_count: {count: true}
      trailing_amount: {sum: amount}
  visits:
    source: events
    window: {session: 10m}
    features:
      visit_count: {count: true}
      visit_max: {max: amount}
  ever:
    source: events
    window: lifetime
    emit: on_update
    features:
      ever_count: {count: true}
state: {ttl: 100h}
"""

CHECKPOINT = {"every": "300ms", "min_pause": "0s"}


@functools.lru_cache(maxsize=4)
def _prepared(text, seed, records, keyed, mode):
    """Traffic and its outcome depend on no topic's name but where they say it, so cases share
    them."""
    spec = Traffic(
        records, seed, partitions=PARTITIONS, users=80, span_ms=10 * HOUR, keyed=keyed,
        odd_users=False,
    )  # fmt: skip
    records = traffic(text, spec)
    return records, compute(text, records, mode)


def _under(topic, records, expected):
    """The same for a topic of this name."""
    (before,) = records
    rename = lambda letters: [{**letter, "topic": topic} for letter in letters]  # noqa: E731
    return {topic: records[before]}, replace(
        expected, late=rename(expected.late), dead_letters=rename(expected.dead_letters)
    )


class Story:
    """One source's topic, created here and sent in `parts`; jobs over it."""

    def __init__(self, lab, partitioning="aligned", records=5000, parts=6, text=PIPELINE,
                 topic_name="events"):  # fmt: skip
        self.lab = lab
        self.partitioning = partitioning
        text = text.replace("partitioning: aligned", f"partitioning: {partitioning}")
        text = text.replace("topic: events", f"topic: {topic_name}")
        self.text = lab.pipeline(text)
        (self.topic,) = [spec["topic"] for spec in load(self.text)["sources"].values()]
        self.records, self.expected = _under(
            self.topic,
            *_prepared(text, lab.seed, records, partitioning == "aligned", "bounded"),
        )
        self.parts = parts
        self.sent = 0
        lab.broker.create_topic(self.topic, PARTITIONS)

    def part(self, number):
        return {
            partition: mine[
                len(mine) * number // self.parts : len(mine) * (number + 1) // self.parts
            ]
            for partition, mine in self.records[self.topic].items()
        }

    def so_far(self):
        """What has been sent, as `records`."""
        return {
            self.topic: {
                partition: mine[: len(mine) * self.sent // self.parts]
                for partition, mine in self.records[self.topic].items()
            }
        }

    def send(self, parts=1):
        """The next ones."""
        for _ in range(min(parts, self.parts - self.sent)):
            self.lab.broker.produce(self.topic, self.part(self.sent))
            self.sent += 1

    def send_rest(self):
        self.send(self.parts)

    def job(self, shards=2, checkpoint=None, topic=True, **options):
        return self.lab.job(
            self.text, shards, topic=topic, checkpoint={**CHECKPOINT, **(checkpoint or {})},
            **options,
        )  # fmt: skip

    def expected_live(self):
        """What a live engine shows when it has read all that was sent."""
        return compute(self.text, self.so_far(), "live")

    def read_all(self, job, engine):
        """Until the engine has read and committed what was sent."""
        ends = {number: len(mine) for number, mine in self.so_far()[self.topic].items()}

        def committed():
            engine.expect_running()
            return self.lab.broker.committed(job.group, self.topic) == ends

        wait_until(committed, 60, f"{ends} is committed", every=0.1)

    def finish(self, job, arguments=(), seconds=BOUNDED_SECONDS, **options):
        """All the rest is sent and read; the outcome is judged. Where something was killed, dead
        letters and late records may be there twice."""
        self.send_rest()
        engine = self.lab.run_bounded(job, seconds, arguments, **options)
        self.judge(job)
        return engine

    def judge(self, job, expected=None, last_only=False):
        self.lab.judge(
            job, self.records, expected or self.expected, last_only, at_least_once=True
        )


def rows_of(job):
    return read_rows(job.rows)


def watched(job):
    """A reader of the job's Redis: `with watched(job) as watch: …; no_way_back(watch)`."""
    return Watch(job.redis)


def no_way_back(watch):
    problems = watch.problems()
    require(not problems, "\n".join(problems))
    require(watch.writes > 0, "nothing was written to Redis")


def rows_twice(expected, rows):
    """Rows that are there twice, whatever else is there: (view, key, window, revision) is one
    row."""
    problems = compare.rows(expected, rows)
    return [line for line in problems if line.startswith("row, twice")]
