"""kill -9 at every place that has a name, and at any other time: after the next start the outcome is that
of a run that was never interrupted (DESIGN 9), and no reader of Redis has seen a window go back (8).

A case: an engine that has made checkpoints is killed; the next one is killed where the case says,
while records come in; the third one reads to the end. Needs the build `failpoints`; a run of all
tests takes a few of the cases, `make crash` all. What another process is needed for, or a fault of
the disk, is the unit tests' business and stands in ELSEWHERE.
"""

import functools
import random
import signal
import time

from failpoints import ENGINE, kill_at, list_to, names
from harness import require, test
from process import wait_until
from story import Story, no_way_back, watched

PARTITIONINGS = ("aligned", "shuffle")
PATIENCE_SECONDS = 6  # for an engine with records coming in to pass everything that it can

# Passed by no engine that lives and dies as those of these cases do.
ELSEWHERE = {
    "store_reset": "after an error of the disk",
    "store_emptied": "after an error of the disk",
    "freeze_name": "of savepoints: unit/checkpoint/crash",
    "evicted": "with little memory: memory/killed_… kills in the midst of it",
    "cold_loaded": "likewise",
}

# What only jobs with a transactional feature topic pass, or only those without.
WITH_TOPIC = {"transaction_commit": True, "commit_send": False, "commit_sent": False}


def register():
    """One test a place and way of partitioning, if there is such a build; returns their names."""
    registered = []
    if not ENGINE.is_file():
        return registered
    for partitioning in PARTITIONINGS:
        for name in names():
            if name not in ELSEWHERE:
                title = f"crash/{partitioning}/{name}"
                test(title)(functools.partial(_case, partitioning, name))
                registered.append(title)
    title = "crash/all_places_are_passed"
    test(title)(_all_are_passed)
    return registered


def sample(registered, count, key):
    """Some of them, others for another key; the same for the same."""
    return random.Random(key).sample(registered, min(count, len(registered)))


def _first_life(story, job, **options):
    """An engine that has made a checkpoint and is at work on the next one."""
    engine = story.lab.start(job, **options)
    story.send(2)
    wait_until(
        lambda: engine.expect_running() or story.lab.broker.committed(job.group, story.topic),
        60,
        "there is a checkpoint",
    )
    story.send()
    time.sleep(story.lab.rng.uniform(0, 0.4))
    engine.kill()


def _feed_until_end(story, engine):
    """Records come in until it ends, or has had all and the time to pass everything."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while engine.child.poll() is None and time.monotonic() < deadline:
        if story.sent < story.parts - 1:
            story.send()
        time.sleep(story.lab.rng.uniform(0.05, 0.3))
    if engine.child.poll() is None:
        engine.child.terminate()  # what only its end passes
    return engine.wait(60)


def _case(partitioning, name, lab):
    story = Story(lab, partitioning)
    topic = WITH_TOPIC.get(name, lab.rng.random() < 0.7)
    job = story.job(lab.rng.choice((1, 2, 3)), topic=topic)
    times = lab.rng.choice((1, 1, 2, 3))
    with watched(job) as watch:
        _first_life(story, job)
        engine = lab.start(job, environment=kill_at(name, times), program=ENGINE)
        status = _feed_until_end(story, engine)
        killed = status == -signal.SIGKILL
        # Some places are passed once in a life.
        require(
            killed or (times > 1 and status == 0),
            f"{name}, time {times}: it ended with {status}:\n{engine.messages()}",
        )
        story.finish(job)
        no_way_back(watch)


def _all_are_passed(lab):
    """Each place in the table is passed by the engines of a case, or is known to be tested
    elsewhere."""
    path = lab.folder / "passed"
    for topic in (True, False):
        story = Story(lab, topic_name=f"events-{topic}")
        job = story.job(2, topic=topic)
        _first_life(story, job, environment=list_to(path), program=ENGINE)
        engine = lab.start(job, environment=list_to(path), program=ENGINE)
        status = _feed_until_end(story, engine)
        require(status == 0, f"it ended with {status}:\n{engine.messages()}")
    passed = set(path.read_text().split())
    missed = [name for name in names() if name not in passed and name not in ELSEWHERE]
    require(not missed, f"no engine passes {missed}: mend the case, or say where they are tested")
    stale = sorted(passed & set(ELSEWHERE))
    require(not stale, f"an engine does pass {stale}")


def _killed_at_any_time(lab, partitioning, kills=4):
    story = Story(lab, partitioning, parts=12)
    job = story.job(2)
    with watched(job) as watch:
        for _ in range(kills):
            engine = lab.start(job)
            until = time.monotonic() + lab.rng.uniform(0.2, 2.5)
            while time.monotonic() < until:
                if story.sent < story.parts - 1:
                    story.send()
                time.sleep(lab.rng.uniform(0.02, 0.2))
            engine.expect_running()
            engine.kill()
        story.finish(job)
        no_way_back(watch)
    before = job.rows.read_bytes()
    story.lab.run_bounded(job)
    require(job.rows.read_bytes() == before, "a run over nothing new emits rows")


@test("crash/any_time")
def any_time(lab):
    _killed_at_any_time(lab, "aligned")


@test("crash/any_time_shuffled")
def any_time_shuffled(lab):
    _killed_at_any_time(lab, "shuffle")
