"""Redis and the broker go away in the middle of a live run and come back: nothing is lost."""

import os
import signal
import time

from events import HOUR, Traffic, traffic
from harness import EXAMPLES, require, test
from process import wait_until
from reference import compute

RECORDS = 30_000


class Live:
    """A live run over an example in two halves, with what the store must show in the end."""

    def __init__(self, lab, shards=2):
        self.lab = lab
        text = (EXAMPLES / "fraud.yaml").read_text()
        # No partition may seem idle while something is away: only the watermark fires windows.
        self.text = lab.pipeline(text, "aligned", source={"idle_after": "1h"})
        spec = Traffic(records=RECORDS, seed=lab.seed, users=300, span_ms=4 * HOUR)
        self.records = traffic(self.text, spec)
        first, self.rest = halves(self.records)
        lab.fill(self.text, first)
        self.expected = compute(self.text, self.records, "live")
        self.job = lab.job(self.text, shards)
        self.engine = lab.start(self.job)

    def wait_for_first_half(self):
        """Something of it is in Redis; most likely the engine is at work on the rest."""

        def some():
            self.engine.expect_running()
            return self.job.redis.client().dbsize() > 20

        wait_until(some, 60, "the first features are in Redis", every=0.02)

    def send_rest(self):
        for topic, partitions in self.rest.items():
            self.lab.broker.produce(topic, partitions)

    def finish(self):
        """All is caught up with, then SIGTERM: it ends in order, no row is missing or twice."""
        self.lab.wait_for_redis(self.job, self.expected, self.engine)
        status = self.engine.terminate()
        if status == 1 and "this one's place" in self.engine.messages():
            # A broker that dies while the member joins may know it by another name afterwards: it ends,
            # as it can't commit any more, and goes on when it is started again.
            self.engine = self.lab.start(self.job)
            self.lab.wait_for_redis(self.job, self.expected, self.engine)
            status = self.engine.terminate()
        require(status == 0, f"exit status {status} after SIGTERM:\n{self.engine.messages()}")
        self.lab.judge(self.job, self.records, self.expected, at_least_once=True)


def halves(records):
    """{topic: {partition: [Record]}} in two, each partition cut in the middle."""
    first = {
        topic: {number: part[: len(part) // 2] for number, part in partitions.items()}
        for topic, partitions in records.items()
    }
    rest = {
        topic: {number: part[len(part) // 2 :] for number, part in partitions.items()}
        for topic, partitions in records.items()
    }
    return first, rest


@test("outages/redis_killed")
def redis_killed(lab):
    """Killed, away for a while, then back and empty: all that it held is written again."""
    live = Live(lab)
    live.wait_for_first_half()
    live.job.redis.kill()
    live.send_rest()
    time.sleep(2)
    live.job.redis.start()
    live.finish()


@test("outages/redis_restarted_when_idle")
def redis_restarted_when_idle(lab):
    """A Redis that comes back empty when there is nothing more to read is filled all the same."""
    live = Live(lab)
    live.send_rest()
    lab.wait_for_redis(live.job, live.expected, live.engine)
    live.job.redis.kill()
    live.job.redis.start()
    live.finish()


@test("outages/redis_frozen")
def redis_frozen(lab):
    """It keeps its connections and answers nothing for some seconds."""
    live = Live(lab)
    live.wait_for_first_half()
    os.kill(live.job.redis.child.pid, signal.SIGSTOP)
    live.send_rest()
    time.sleep(5)
    os.kill(live.job.redis.child.pid, signal.SIGCONT)
    live.finish()


@test("outages/broker_restarted")
def broker_restarted(lab):
    live = Live(lab)
    live.wait_for_first_half()
    lab.broker.stop()
    time.sleep(3)
    lab.broker.start()
    live.send_rest()
    live.finish()


@test("outages/broker_killed")
def broker_killed(lab):
    live = Live(lab)
    live.wait_for_first_half()
    lab.broker.kill()
    time.sleep(3)
    lab.broker.start()
    live.send_rest()
    live.finish()


@test("outages/both_at_once")
def both_at_once(lab):
    live = Live(lab)
    live.wait_for_first_half()
    lab.broker.kill()
    live.job.redis.kill()
    time.sleep(2)
    lab.broker.start()
    live.send_rest()
    live.job.redis.start()
    live.finish()


@test("outages/redis_lost_by_a_bounded_run")
def redis_lost_by_a_bounded_run(lab):
    """A bounded run waits for Redis rather than ending without having written."""
    text = lab.pipeline((EXAMPLES / "fraud.yaml").read_text(), "aligned")
    spec = Traffic(records=5000, seed=lab.seed, users=100, span_ms=4 * HOUR)
    records = traffic(text, spec)
    lab.fill(text, records)
    job = lab.job(text, shards=2)
    job.redis.client().client_pause(600_000, all=False)  # it takes no writes
    engine = lab.start(job, bounded=True)
    time.sleep(5)
    engine.expect_running()
    job.redis.kill()
    time.sleep(2)
    job.redis.start()
    engine.expect_exit(0, 120)
    lab.judge(job, records, compute(text, records))
