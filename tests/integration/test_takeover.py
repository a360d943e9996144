"""Processes that take each other's place: one that was frozen and comes back, one that died, one that
joins. Who has lost its place cannot commit, says so and ends with 1; results are those of one process
(DESIGN 8, 9). Files are one a process; together they have every row once.
"""

import time
from dataclasses import replace

from engine import admin_address
from failpoints import ENGINE, kill_at
from harness import dump, load, require, test
from process import Failure, wait_until
from story import Story, no_way_back, watched

SESSION = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}  # 6 s: the least
SESSION_SECONDS = 6
GONE_SECONDS = 40


def _job(story, instance=None, **options):
    properties = {**SESSION, **({"group.instance.id": instance} if instance else {})}
    return story.job(kafka={"properties": properties}, **options)


def _again(job, **changes):
    """The same job for a second process: with its own admin page, and what `changes` says."""
    path = job.path.with_name(f"again{len(list(job.path.parent.iterdir()))}.yaml")
    document = load(job.text)
    document["admin"] = {"listen": admin_address()}
    path.write_text(dump(document))
    return replace(job, path=path, text=path.read_text(), address=document["admin"]["listen"])


def _colleague(job, instance):
    """Another member of the group, on the same state.dir, with a file of its own."""
    other = _again(job)
    document = load(other.text)
    rows = other.path.with_suffix(".rows")
    document["kafka"]["properties"]["group.instance.id"] = instance
    document["outputs"]["file"]["path"] = str(rows)
    other.path.write_text(dump(document))
    return replace(other, text=other.path.read_text(), rows=rows)


def _judge_together(story, first, *others):
    """What they have written, as though it were one's."""
    files = [job.rows.read_bytes() if job.rows.exists() else b"" for job in (first, *others)]
    together = first.rows.with_name("together.ndjson")
    together.write_bytes(b"".join(files))
    story.judge(replace(first, rows=together), last_only=True)


def _goes_on(story, job, engine):
    """Who has taken the place reads more. Waking up, a zombie of the same instance may take it back
    for a moment, before it learns that it is one: then both end, and the next start goes on. Returns
    the engine that is left."""
    story.send()
    try:
        story.read_all(job, engine)
    except Failure:
        engine.expect_exit(1, GONE_SECONDS)
        require("fenced" in engine.said(), f"it does not say why:\n{engine.messages()}")
        engine = story.lab.start(job)
        story.read_all(job, engine)
    return engine


def _ends_as_zombie(engine):
    engine.expect_exit(1, GONE_SECONDS)
    said = engine.said()
    require("commit" in said or "fenced" in said, f"it does not say why:\n{engine.messages()}")


def _at_work(story, job):
    """An engine that has committed something and has more in hand."""
    engine = story.lab.start(job)
    story.send(2)
    story.read_all(job, engine)
    story.send()
    wait_until(lambda: story.lab.rng.random() < 0.2, 5, "some time", every=0.02)
    engine.expect_running()
    return engine


@test("takeover/zombie_of_the_same_instance")
def zombie_same_instance(lab):
    """Frozen; the same is started again and takes its place at once; then the first one thaws."""
    for partitioning in ("aligned", "shuffle"):
        story = Story(lab, partitioning, parts=8, topic_name=f"events-{partitioning}")
        job = _job(story)
        with watched(job) as watch:
            first = _at_work(story, job)
            first.freeze()
            frozen = time.monotonic()
            again = _again(job)
            second = lab.start(again)
            story.send(2)
            story.read_all(job, second)
            time.sleep(max(frozen + SESSION_SECONDS + 1 - time.monotonic(), 0))
            first.thaw()
            _ends_as_zombie(first)
            second = _goes_on(story, again, second)
            require(second.terminate() == 0, f"no clean end:\n{second.messages()}")
            story.finish(job)
            no_way_back(watch)


@test("takeover/zombie_of_another_instance")
def zombie_other_instance(lab):
    """Frozen past its session timeout; another member has its partitions when it thaws."""
    story = Story(lab)
    job = _job(story, "one")
    other = _colleague(job, "two")
    with watched(job) as watch:
        first = _at_work(story, job)
        first.freeze()
        second = lab.start(other)
        story.send(2)
        story.read_all(job, second)
        first.thaw()
        _ends_as_zombie(first)
        second.expect_running()
        story.send()
        story.read_all(job, second)
        require(second.terminate() == 0, f"no clean end:\n{second.messages()}")
        story.send_rest()
        lab.run_bounded(other)
        no_way_back(watch)
    _judge_together(story, job, other)


@test("takeover/killed")
def killed(lab):
    """The place of a process that was killed goes to another member. (Its open transaction hides what
    comes behind it in a feature topic until it times out, so there is none here.)"""
    story = Story(lab)
    job = _job(story, "one", topic=False)
    other = _colleague(job, "two")
    with watched(job) as watch:
        first = _at_work(story, job)
        first.kill()
        second = lab.start(other)
        story.send(2)
        story.read_all(job, second)
        require(second.terminate() == 0, f"no clean end:\n{second.messages()}")
        story.send_rest()
        lab.run_bounded(other)
        no_way_back(watch)
    _judge_together(story, job, other)


@test("takeover/killed_before_its_rows_are_in_the_file")
def killed_before_publishing(lab):
    """Committed, and killed before the rows were appended: whoever goes on from that checkpoint
    appends them."""
    if not ENGINE.is_file():
        return
    story = Story(lab)
    job = _job(story, "one", topic=False)
    other = _colleague(job, "two")
    story.send()
    first = lab.start(job, environment=kill_at("commit_accepted", 3), program=ENGINE)
    while first.child.poll() is None and story.sent < story.parts - 2:
        time.sleep(0.3)
        story.send()
    first.wait(GONE_SECONDS)
    second = lab.start(other)
    story.send()
    story.read_all(job, second)
    require(second.terminate() == 0, f"no clean end:\n{second.messages()}")
    story.send_rest()
    lab.run_bounded(other)
    _judge_together(story, job, other)


def _was_overtaken(engine):
    """The group was rebalanced while the engine sent the offsets of a transaction."""
    return (engine.child.poll() == 1
            and "the consumer group has gone on without this process" in engine.said())  # fmt: skip


def _read_all(story, members):
    """Until all that was sent is committed; members that were overtaken are started again.
    `members`: {name: (job, engine)}."""
    ends = {number: len(mine) for number, mine in story.so_far()[story.topic].items()}

    def committed():
        for name, (job, engine) in members.items():
            if _was_overtaken(engine):
                members[name] = (job, story.lab.start(job))
            else:
                engine.expect_running()
        return story.lab.broker.committed(job.group, story.topic) == ends

    try:
        wait_until(committed, 60, f"{ends} is committed", every=0.1)
    except Failure as f:
        for name, (job, engine) in members.items():
            print(name, engine.said(), engine.get(job.address, "/status"))
            print("\n".join(l for l in engine.get(job.address, "/metrics")[1].splitlines() if "fetch" in l or "partition" in l and not l.startswith("#")))
        print(story.lab.broker.committed(job.group, story.topic))
        raise


def _stop(engine):
    status = engine.terminate()
    require(status == 0 or _was_overtaken(engine), f"no clean end:\n{engine.messages()}")


@test("takeover/members_come_and_go")
def members_come_and_go(lab):
    """A second member joins, both work, the first one stops: every row is in one of the files."""
    story = Story(lab, parts=8)
    job = _job(story, "one")
    other = _colleague(job, "two")
    with watched(job) as watch:
        members = {"first": (job, _at_work(story, job)), "second": (other, lab.start(other))}
        members["second"][1].wait_ready(other.address)
        for _ in range(2):
            story.send()
            _read_all(story, members)
        _stop(members.pop("first")[1])
        story.send()
        _read_all(story, members)
        _stop(members["second"][1])
        story.send_rest()
        lab.run_bounded(other)
        no_way_back(watch)
    _judge_together(story, job, other)
