"""The Kafka feature topic: each row once to readers of committed records, equal to the file output, and
the committed offsets name the checkpoint that it belongs to; through kill -9 as well.

Aligned partitions and no idle clocks: which rows there are follows from the events alone.
"""

import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from engine import parse_row, read_lines
from events import HOUR, Traffic, traffic
from harness import dump, load, require, test
from offsets import committed_with_metadata
from process import kill, wait_until
from reference import compute

PARTITIONS = 4
PARTS = 6  # in which the events come

_PIPELINE = """
pipeline: topic
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
      amount: {type: decimal(2), optional: true}
    out_of_orderness: 30s
    allowed_lateness: 10m
    idle_after: 24h
views:
  hours:
    source: events
    window: {tumbling: 1h}
    features:
      hour_count: {count: true}
      hour_types: {histogram: event_type}
  recent:
    source: events
    window: {sliding: 10m, every: 1m}
    emit: on_update
    features:
      recent_count: {count: true}
      recent_amount: {sum: amount}
  sessions:
    source: events
    window: {session: 10m}
    features:
      session_count: {count: true}
checkpoint: {every: 300ms, min_pause: 0s}
"""


def _job(lab, text, transactional, shards=2, **topic_config):
    """A job that writes rows to a file and to a topic of its own; the job and the topic's name."""
    job = lab.job(text, shards)
    document = load(job.text)
    topic = f"{job.group}.rows"
    document["outputs"]["kafka"] = {"topic": topic, "transactional": transactional}
    job.path.write_text(dump(document))
    if topic_config:
        lab.broker.create_topic(topic, 3, **topic_config)
    return replace(job, text=job.path.read_text()), topic


def _traffic(lab, text):
    """All records of the source's topic, which is there, and the parts in which they come."""
    topic = load(text)["sources"]["events"]["topic"]
    spec = Traffic(30_000, lab.seed, partitions=PARTITIONS, users=200, span_ms=12 * HOUR)
    records = traffic(text, spec)
    lab.broker.create_topic(topic, PARTITIONS)
    parts = [
        {
            number: mine[len(mine) * part // PARTS : len(mine) * (part + 1) // PARTS]
            for number, mine in records[topic].items()
        }
        for part in range(PARTS)
    ]
    return topic, records, parts


def _check_equal(job, topic_rows):
    """The topic's records are the file's lines, keyed by their entities, those of a key in the
    file's order."""
    lines = read_lines(job.rows)
    values = [record.value for partition in topic_rows.values() for record in partition]
    differing = sorted((Counter(values) - Counter(lines)) + (Counter(lines) - Counter(values)))
    require(
        not differing,
        f"{len(values)} rows in the topic, {len(lines)} in the file; not in both as often: "
        f"{differing[:6]}",
    )
    require(_by_user(values) == _by_user(lines), "rows of a user are not in the file's order")
    places = defaultdict(set)
    for number, partition in topic_rows.items():
        for record in partition:
            user = parse_row(record.value)["user_id"]
            require(record.key == user.encode(), f"keyed {record.key}: {record.value}")
            places[user].add(number)
    require(all(len(place) == 1 for place in places.values()), "a user is in two partitions")


def _by_user(lines):
    users = defaultdict(list)
    for line in lines:
        users[parse_row(line)["user_id"]].append(line)
    return users


def _check_commits(lab, job, source_topic, records):
    """Everything is committed, under the id of a checkpoint that is there."""
    ends = {number: len(mine) for number, mine in records[source_topic].items() if mine}
    commits = {
        number: commit
        for number, commit in committed_with_metadata(lab.broker, job.group, source_topic).items()
        if number in ends
    }
    require(
        {number: offset for number, (offset, _) in commits.items()} == ends,
        f"committed: {commits}; the ends: {ends}",
    )
    folder = Path(load(job.text)["state"]["dir"]) / "checkpoints"
    for number, (_, checkpoint) in commits.items():
        require(
            checkpoint and (folder / checkpoint).is_dir(),
            f"partition {number}: metadata {checkpoint!r} names no checkpoint in {folder}",
        )


def _positions(lab, job, source_topic):
    return lab.broker.committed(job.group, source_topic)


def _live_then_bounded(lab, job, source_topic, parts, kills):
    """Events come while engines run, of which some are killed; the last run reads to the end."""
    engine = None
    for number, part in enumerate(parts):
        lab.broker.produce(source_topic, part)
        engine = engine or lab.start(job)
        before = _positions(lab, job, source_topic)
        wait_until(
            lambda seen=before: _positions(lab, job, source_topic) != seen,
            60,
            "a checkpoint is committed",
            every=0.05,
        )
        if number in kills:
            time.sleep(lab.rng.random() * 0.5)
            engine.expect_running()
            kill(engine.child)
            engine = None
    if engine:
        require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    lab.run_bounded(job)


@test("feature_topic/bounded")
def bounded(lab):
    """One run, to the end."""
    text = lab.pipeline(_PIPELINE)
    topic, records, parts = _traffic(lab, text)
    for part in parts:
        lab.broker.produce(topic, part)
    expected = compute(text, records)
    for transactional in (True, False):
        job, rows_topic = _job(lab, text, transactional)
        lab.run_bounded(job)
        lab.judge(job, records, expected)
        _check_equal(job, lab.broker.read_committed(rows_topic))
        _check_commits(lab, job, topic, records)
        lines = len(read_lines(job.rows))
        lab.run_bounded(job)  # again: there is nothing more to say
        require(len(read_lines(job.rows)) == lines, "a second run wrote more rows")
        _check_equal(job, lab.broker.read_committed(rows_topic))


@test("feature_topic/killed")
def killed(lab):
    """kill -9 in the middle, several times: every row once."""
    text = lab.pipeline(_PIPELINE)
    topic, records, parts = _traffic(lab, text)
    job, rows_topic = _job(lab, text, True)
    _live_then_bounded(lab, job, topic, parts, kills={1, 2, 4})
    lab.judge(job, records, compute(text, records))
    _check_equal(job, lab.broker.read_committed(rows_topic))
    _check_commits(lab, job, topic, records)


@test("feature_topic/plain_killed")
def plain_killed(lab):
    """Without transactions: rows since the last checkpoint are there again, and no other ones."""
    text = lab.pipeline(_PIPELINE)
    topic, records, parts = _traffic(lab, text)
    job, rows_topic = _job(lab, text, False)
    _live_then_bounded(lab, job, topic, parts, kills={1, 3})
    lab.judge(job, records, compute(text, records))
    found = lab.broker.read_committed(rows_topic)
    values = Counter(record.value for partition in found.values() for record in partition)
    lines = Counter(read_lines(job.rows))
    require(values.keys() == lines.keys(), "the topic and the file have different rows")
    require(not lines - values, f"the topic lacks {sorted(lines - values)[:6]}")
    _check_commits(lab, job, topic, records)


@test("feature_topic/checkpoints_given_up")
def checkpoints_given_up(lab):
    """Checkpoints that are out of time before all shards have been marked: their rows go with the
    next one's, and the run goes on."""
    text = lab.pipeline(_PIPELINE)
    topic, records, parts = _traffic(lab, text)
    job, rows_topic = _job(lab, text, True, shards=3)

    def hurry(document):
        document["checkpoint"] = {
            "every": "20ms",
            "min_pause": "0s",
            "timeout": "1ms",
            "tolerable_failures": 1000,
        }

    hurried = lab.changed(job, hurry)
    with lab.start(hurried) as engine:
        for part in parts:
            lab.broker.produce(topic, part)
            already = engine.said().count("checkpoint failed")
            wait_until(
                lambda: engine.said().count("checkpoint failed") >= already + 5
                or engine.expect_running(),
                60,
                "checkpoints are given up",
            )
        engine.kill()
    lab.changed(job, lambda document: None)
    lab.run_bounded(job)
    lab.judge(job, records, compute(text, records))
    _check_equal(job, lab.broker.read_committed(rows_topic))


@test("feature_topic/refused")
def refused(lab):
    """A row that the topic does not take ends a transactional run, and is named; a plain one counts
    it."""
    text = lab.pipeline(_PIPELINE)
    topic, records, parts = _traffic(lab, text)
    lab.broker.produce(topic, parts[0])
    job, _ = _job(lab, text, True, max_message_bytes=60)
    engine = lab.start(job)
    engine.expect_exit(1, 60)
    require("refused" in engine.messages(), f"it does not say why:\n{engine.messages()}")
    require(not read_lines(job.rows), "rows of a checkpoint that was not committed are in the file")
    job, _ = _job(lab, text, False, max_message_bytes=60)
    engine = lab.run_bounded(job)
    require("refused" in engine.messages(), f"it does not say so:\n{engine.messages()}")


@test("feature_topic/created")
def created(lab):
    """A topic that is not there is made."""
    text = lab.pipeline(_PIPELINE)
    topic, _, parts = _traffic(lab, text)
    lab.broker.produce(topic, parts[0])
    job, rows_topic = _job(lab, text, True)
    lab.run_bounded(job)
    require(lab.broker.partitions(rows_topic) > 0, f"{rows_topic} was not made")
