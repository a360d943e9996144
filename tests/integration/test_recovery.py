"""Starts at which what is there does not fit: offsets that were set by hand, records that have expired, a
topic that was made anew, checkpoints that are missing or corrupt, partitions that were added. Each is
an error that names partition, checkpoint and the ways on; each way is then tried (DESIGN 9).
"""

import random
import shutil
import time

from confluent_kafka.admin import NewPartitions

from engine import read_lines
from harness import require, test
from process import wait_until
from offsets import commit_as, committed_with_metadata, delete_records
from reference import Record, compute
from story import PARTITIONS, Story, no_way_back, watched

INSTANCE = "freshet-of-the-test"  # so that the test can take the engine's place in the group
REFUSED_SECONDS = 30
SESSION_SECONDS = 6  # the least that a broker takes
SESSION = {"session.timeout.ms": SESSION_SECONDS * 1000, "heartbeat.interval.ms": 500}


def _begun(lab, partitioning="aligned", parts=2, properties=None, **options):
    """A story whose first half has been read and committed by an engine that was stopped."""
    story = Story(lab, partitioning, records=3000, parts=parts)
    properties = {"group.instance.id": INSTANCE, **(properties or {})}
    job = story.job(kafka={"properties": properties}, **options)
    engine = lab.start(job)
    story.send(parts // 2)
    story.read_all(job, engine)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    return story, job


def _refused(lab, job, *wanted, **options):
    """A start ends with 1 and says all of `wanted`."""
    engine = lab.start(job, bounded=True, **options)
    engine.expect_exit(1, REFUSED_SECONDS)
    said = engine.said()
    for text in wanted:
        require(str(text) in said, f"it does not name {text!r}:\n{engine.messages()}")
    return said


def _commits(story, job):
    return committed_with_metadata(story.lab.broker, job.group, story.topic)


def _checkpoint(story, job):
    """The id of the checkpoint in force."""
    (checkpoint,) = {text for _, text in _commits(story, job).values()}
    return checkpoint


def _folder(job, checkpoint):
    return job.state / "checkpoints" / checkpoint


def _finish_from_checkpoint(story, job):
    """Its state is that at its own offsets: the file is what it would have been. (The feature topic
    has no way to take rows back.)"""
    story.send_rest()
    story.lab.run_bounded(job, arguments=("--from-checkpoint",))
    lab = story.lab
    problems = lab.row_problems(job, story.expected) + lab.store_problems(job, story.expected)
    require(not problems, "\n".join(problems))


def _finish_fresh(story, job, records=None):
    """Everything that there is anew, behind what there was in the file; Redis as if nothing had been
    before."""
    story.send_rest()
    lab = story.lab
    before = len(read_lines(job.rows))
    expected = compute(story.text, records, "bounded") if records else story.expected
    with watched(job) as watch:
        lab.run_bounded(job, arguments=("--fresh",))
        no_way_back(watch)
    lines = read_lines(job.rows)
    job.rows.write_bytes(b"".join(line + b"\n" for line in lines[before:]))
    problems = lab.row_problems(job, expected) + lab.store_problems(job, expected)
    require(not problems, "\n".join(problems))


@test("recovery/offset_by_hand")
def offset_by_hand(lab):
    """Another offset, under the checkpoint's name and under none."""
    story, job = _begun(lab)
    before = _commits(story, job)
    checkpoint = _checkpoint(story, job)
    number = lab.rng.randrange(PARTITIONS)
    offset = before[number][0]
    for change in ((offset - 7, checkpoint), (offset - 7, ""), (offset, "")):
        commit_as(lab.broker, job.group, INSTANCE, story.topic, {**before, number: change})
        _refused(
            lab, job, story.topic, f"partition {number}", change[0], change[1] or "names no",
            "--fresh", "--from-checkpoint",
        )  # fmt: skip
    require(_commits(story, job)[number] == (offset, ""), "a refused start has committed")
    _finish_from_checkpoint(story, job)


@test("recovery/offset_by_hand_fresh")
def offset_by_hand_fresh(lab):
    story, job = _begun(lab)
    before = _commits(story, job)
    commit_as(lab.broker, job.group, INSTANCE, story.topic, {**before, 0: (3, "")})
    _refused(lab, job, story.topic, "partition 0", "--fresh")
    _finish_fresh(story, job)


@test("recovery/records_expired")
def records_expired(lab):
    """Records behind the checkpoint are gone: there is no way but a fresh start with what is left."""
    story, job = _begun(lab)
    story.send_rest()
    number = lab.rng.randrange(PARTITIONS)
    position = _commits(story, job)[number][0]
    first = position + 5
    delete_records(lab.broker, story.topic, number, first)
    _refused(lab, job, story.topic, f"partition {number}", position, first, "--fresh")
    _refused(lab, job, f"partition {number}", "--fresh", arguments=("--from-checkpoint",))
    left = {
        story.topic: {
            partition: records[first:] if partition == number else records
            for partition, records in story.records[story.topic].items()
        }
    }
    _finish_fresh(story, job, left)


@test("recovery/topic_made_anew")
def topic_made_anew(lab):
    """With fewer records than were read, and with more: other ones."""
    story, job = _begun(lab)
    first = story.part(0)
    other = {
        number: [
            Record(place, record.timestamp, record.key, (record.value or b"{}") + b" ")
            for place, record in enumerate([*story.part(1)[number], *first[number]])
        ]
        for number in range(PARTITIONS)
    }
    for records in ({number: mine[:9] for number, mine in other.items()}, other):
        lab.broker.delete_topic(story.topic)
        lab.broker.create_topic(story.topic, PARTITIONS)
        lab.broker.produce(story.topic, records)
        _refused(lab, job, story.topic, "partition", "--fresh")
    story.sent = story.parts
    job.redis.client().flushall()  # it has features of events that there never were
    _finish_fresh(story, job, {story.topic: other})


@test("recovery/checkpoint_missing")
def checkpoint_missing(lab):
    """Its folder is not there: another host, or somebody has removed it."""
    story, job = _begun(lab)
    checkpoint = _checkpoint(story, job)
    shutil.rmtree(_folder(job, checkpoint))
    _refused(
        lab, job, story.topic, "partition", checkpoint, job.state, "--fresh", "--from-checkpoint"
    )
    _finish_from_checkpoint(story, job)


@test("recovery/state_missing")
def state_missing(lab):
    """All of state.dir: only a fresh start is left."""
    story, job = _begun(lab)
    checkpoint = _checkpoint(story, job)
    shutil.rmtree(job.state)
    _refused(lab, job, story.topic, "partition", checkpoint, "--fresh")
    _refused(lab, job, job.state, arguments=("--from-checkpoint",))
    _finish_fresh(story, job)


def _damage(rng, folder, whole):
    """One byte of one of its files is another, or its end is missing."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    path = rng.choice([path for path in files if path.name == "manifest"] if whole else files)
    data = bytearray(path.read_bytes())
    if rng.random() < 0.5:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    else:
        del data[-rng.randint(1, len(data)) :]
    path.unlink()  # a hard link: other checkpoints have the same file
    path.write_bytes(bytes(data))
    return path.relative_to(folder)


@test("recovery/newest_corrupt")
def newest_corrupt(lab):
    """It is named, the one before is taken, and the replay is muted for the file and the feature
    topic: every row is there once."""
    rng = random.Random(f"{lab.seed}/{lab.name}")
    story, job = _begun(lab, parts=4)
    with watched(job) as watch:
        for _ in range(2):
            checkpoint = _checkpoint(story, job)
            damaged = _damage(rng, _folder(job, checkpoint), whole=False)
            story.send()
            engine = lab.start(job)
            story.read_all(job, engine)
            require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
            said = engine.said()
            require(checkpoint in said, f"it does not name {checkpoint} ({damaged}):\n{said}")
        story.finish(job)
        no_way_back(watch)


@test("recovery/newest_corrupt_shuffled")
def newest_corrupt_shuffled(lab):
    story, job = _begun(lab, "shuffle", parts=3)
    with watched(job) as watch:
        checkpoint = _checkpoint(story, job)
        _damage(lab.rng, _folder(job, checkpoint), whole=False)
        story.finish(job)
        no_way_back(watch)


@test("recovery/all_corrupt")
def all_corrupt(lab):
    story, job = _begun(lab)
    checkpoint = _checkpoint(story, job)
    for folder in (job.state / "checkpoints").iterdir():
        _damage(lab.rng, folder, whole=lab.rng.random() < 0.5)
    _refused(lab, job, story.topic, "partition", checkpoint, "--fresh")
    _finish_fresh(story, job)


@test("recovery/partitions_added")
def partitions_added(lab):
    """Aligned keys have moved: an error. A fresh start reads the new ones, too."""
    story, job = _begun(lab, properties=SESSION)
    records = _add_partitions(story)
    time.sleep(SESSION_SECONDS + 2)  # until the group forgets who was not given them
    _refused(lab, job, story.topic, "partition", PARTITIONS, PARTITIONS + 2, "--fresh")
    _finish_fresh(story, job, records)


@test("recovery/partitions_added_shuffled")
def partitions_added_shuffled(lab):
    """Shuffled, the new ones are read from their beginning, and all else goes on."""
    story, job = _begun(lab, "shuffle", properties=SESSION)
    records = _add_partitions(story)
    time.sleep(SESSION_SECONDS + 2)
    lab.run_bounded(job)
    expected = compute(story.text, records, "bounded")
    lab.judge(job, records, expected, at_least_once=True)


def _add_partitions(story):
    """Two more; the second half of the first partition's records goes to the first of them, as far as
    it is of users that have been in no other. Returns all records."""
    topic, broker = story.topic, story.lab.broker
    admin = broker.admin
    admin.create_partitions([NewPartitions(topic, PARTITIONS + 2)])[topic].result(30)
    wait_until(lambda: broker.partitions(topic) == PARTITIONS + 2, 30, "they are there")
    rest = story.part(1)
    before = {record.key for records in story.part(0).values() for record in records}
    before |= {record.key for number in range(1, PARTITIONS) for record in rest[number]}
    moved = [record for record in rest.pop(0) if record.key not in before]
    rest[PARTITIONS] = [
        Record(place, record.timestamp, record.key, record.value)
        for place, record in enumerate(moved)
    ]
    if not moved:  # aligned, all its users have been there before
        moved = [
            Record(place, record.timestamp, b"moved_" + record.key,
                   record.value.replace(record.key, b"moved_" + record.key))
            for place, record in enumerate(story.part(1)[0])
            if record.key and record.value and record.key in record.value
        ]  # fmt: skip
    require(moved, "no user is new")
    broker.produce(topic, rest)
    story.sent = story.parts
    return {
        topic: {
            number: story.part(0).get(number, []) + rest.get(number, [])
            for number in range(PARTITIONS + 2)
        }
    }


@test("recovery/nothing_is_reset_silently")
def nothing_is_reset(lab):
    """A refused start leaves everything as it was: what comes after it is as if it had not been."""
    story, job = _begun(lab)
    before = _commits(story, job)
    rows = job.rows.read_bytes()
    checkpoint = _checkpoint(story, job)
    hidden = job.state / "hidden"
    _folder(job, checkpoint).rename(hidden)
    _refused(lab, job, checkpoint)
    hidden.rename(_folder(job, checkpoint))
    require(_commits(story, job) == before, "a refused start has committed")
    require(job.rows.read_bytes() == rows, "a refused start has written rows")
    story.finish(job)
