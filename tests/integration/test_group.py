"""The consumer group: partitions that move, processes that take each other's place, records that are
gone before they were read."""

import re
import signal
import time
from dataclasses import replace

from engine import admin_address
from harness import dump, load, require, test
from process import wait_until
from test_live import _PIPELINE, MINUTE, Script

PARTITIONS = 4


def _pipeline(lab, partitioning="aligned"):
    """Without idle clocks: what is expected follows from the events alone."""
    return lab.pipeline(_PIPELINE, partitioning, source={"idle_after": "1h"})


def _send(script, first_minute, minutes):
    for minute in range(first_minute, first_minute + minutes):
        script.send(
            *[
                (number, f"user{number}_{user}", minute * MINUTE + user * 1000, minute)
                for number in range(PARTITIONS)
                for user in range(5)
            ]
        )


def _colleague(job, instance="colleague"):
    """Another process of the same job: same group, state.dir and Redis; output and admin its own.
    Without an `instance` it has the same place in the group."""
    document = load(job.text)
    path = job.path.with_name(f"colleague{len(list(job.path.parent.iterdir()))}.yaml")
    if instance:
        properties = document["kafka"].get("properties", {})
        document["kafka"]["properties"] = {**properties, "group.instance.id": instance}
    document["admin"] = {"listen": admin_address()}
    document["outputs"] = {"file": {"path": str(path.with_suffix(".rows"))}}
    path.write_text(dump(document))
    return replace(
        job, path=path, rows=path.with_suffix(".rows"), address=document["admin"]["listen"]
    )


def _partitions(engine, job):
    """The partitions that a process reads, by its /status."""
    status, page = engine.get(job.address, "/status")
    return set(map(int, re.findall(r'"partition":(\d+)', page))) if status == 200 else set()


@test("group/two_members")
def two_members(lab):
    """A second process takes over some partitions with their state; Redis is right after it has
    come and after it has gone."""
    text = _pipeline(lab)
    script = Script(lab, text, PARTITIONS)
    job = lab.job(text, shards=2)
    other = _colleague(job)
    _send(script, 0, 10)
    first = lab.start(job)
    lab.wait_for_redis(job, script.expected(), first)
    second = lab.start(other)

    def shared():
        mine, its = _partitions(first, job), _partitions(second, other)
        return mine and its and not mine & its and len(mine | its) == PARTITIONS

    wait_until(shared, 60, "both read partitions", every=0.3)
    _send(script, 10, 10)
    lab.wait_for_redis(job, script.expected(), second)
    require(first.terminate() == 0, f"no clean end:\n{first.messages()}")
    require(second.terminate() == 0, f"no clean end:\n{second.messages()}")


@test("group/same_place")
def same_place(lab):
    """A process started twice: the newcomer takes the place at once, the older one ends and says
    why."""
    text = _pipeline(lab)
    script = Script(lab, text, PARTITIONS)
    job = lab.job(text, shards=1)
    _send(script, 0, 5)
    first = lab.start(job)
    lab.wait_for_redis(job, script.expected(), first)
    again = _colleague(job, instance=None)
    second = lab.start(again)
    began = time.monotonic()
    _send(script, 5, 5)
    lab.wait_for_redis(job, script.expected(), second)
    require(time.monotonic() - began < 30, "the newcomer waited for a session time-out")
    first.expect_exit(1, 30)
    require("fenced" in first.messages().lower(), f"it does not say why:\n{first.messages()}")
    require(second.terminate() == 0, f"no clean end:\n{second.messages()}")


@test("group/shuffle_needs_all")
def shuffle_needs_all(lab):
    """With partitioning shuffle, a process that does not get all partitions ends and says why."""
    text = _pipeline(lab, "shuffle")
    script = Script(lab, text, PARTITIONS)
    job = lab.job(text, shards=1)
    _send(script, 0, 2)
    first = lab.start(job)
    lab.wait_for_redis(job, script.expected(), first)
    second = lab.start(_colleague(job))
    wait_until(
        lambda: first.child.poll() is not None or second.child.poll() is not None,
        60,
        "one of the two ends",
    )
    ended = first if first.child.poll() is not None else second
    ended.expect_exit(1, 5)
    require("shuffle" in ended.messages(), f"it does not say why:\n{ended.messages()}")


@test("group/records_gone")
def records_gone(lab):
    """A topic that was deleted and made anew under a running engine: an error, never a silent gap."""
    text = _pipeline(lab)
    script = Script(lab, text, PARTITIONS)
    job = lab.job(text, shards=1)
    _send(script, 0, 5)
    engine = lab.start(job)
    lab.wait_for_redis(job, script.expected(), engine)
    engine.child.send_signal(signal.SIGSTOP)
    lab.broker.delete_topic(script.topic)
    lab.broker.create_topic(script.topic, PARTITIONS)
    engine.child.send_signal(signal.SIGCONT)
    engine.expect_exit(1, 60)
    require("gone" in engine.messages(), f"it does not say why:\n{engine.messages()}")
