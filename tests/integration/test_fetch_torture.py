"""A network that cuts, delays, truncates and corrupts what brokers answer to the engine's fetches: it
goes on, counts what went wrong, and in the end nothing is missing or twice."""

import time

import kafka
import metrics
from events import HOUR, Traffic, traffic
from harness import EXAMPLES, load, require, test
from process import wait_until
from reference import compute
from spoiler import Spoiler

_PARTITIONS = 6
_SLICES = 40  # that the traffic comes in, while answers are spoilt
_QUEUED_MAX = 4 << 20  # bytes of answers that may wait, of a shard and a leader
_RESIDENT_MAX = 1 << 30  # with the sanitizer's


def _sample(engine, job):
    status, text = engine.get(job.address, "/metrics")
    return metrics.parse(text) if status == 200 else {}


def _resident_bytes(engine):
    with open(f"/proc/{engine.child.pid}/statm", encoding="ascii") as pages:
        return int(pages.read().split()[1]) * 4096


def _ensure_bounds(engine, samples):
    for labels, value in samples.get("freshet_fetch_queued_bytes", []):
        require(0 <= value <= _QUEUED_MAX, f"{value} bytes of answers wait in {labels}")
    resident = _resident_bytes(engine)
    require(resident < _RESIDENT_MAX, f"{resident} bytes of memory")


def _slices(partitions, count):
    """{partition: [Record]} in `count` pieces, one after the other."""
    for i in range(count):
        yield {
            number: part[len(part) * i // count : len(part) * (i + 1) // count]
            for number, part in partitions.items()
        }


def _torment(lab, spoiler):
    text = lab.pipeline((EXAMPLES / "fraud.yaml").read_text(), "aligned", source={"idle_after": "1h"})
    (topic,) = [spec["topic"] for spec in load(text)["sources"].values()]
    spec = Traffic(12_000, lab.seed, partitions=_PARTITIONS, users=200, span_ms=4 * HOUR)
    records = traffic(text, spec)
    lab.broker.create_topic(topic, _PARTITIONS)
    job = lab.job(text, shards=2, kafka={"fetch": "native"})
    engine = lab.start(job)
    engine.wait_ready(job.address)
    spoiler.share = 0.3
    for part in _slices(records[topic], _SLICES):
        lab.broker.produce(topic, part)
        engine.expect_running()
        _ensure_bounds(engine, _sample(engine, job))
    expected = compute(text, records, "live")
    lab.wait_for_redis(job, expected, engine)  # though it still goes on

    def enough():
        kinds = ("cut", "delay", "trickle", "resize", "corrupt")
        return all(spoiler.spoilt[kind] >= 3 for kind in kinds)

    wait_until(enough, 30, f"all kinds of trouble were had: {spoiler.spoilt}")
    spoiler.share = 0.0
    samples = _sample(engine, job)
    _ensure_bounds(engine, samples)
    lost = metrics.total(samples, "freshet_fetch_connects_total", outcome="lost")
    made = metrics.total(samples, "freshet_fetch_connects_total", outcome="made")
    unsound = metrics.total(samples, "freshet_fetch_errors_total", **{"class": "unsound"})
    require(made > lost >= 6, f"{made} connections made, {lost} lost: {spoiler.spoilt}")
    require(unsound >= 1, f"{unsound} batches were found unsound: {spoiler.spoilt}")
    time.sleep(1)
    require(engine.terminate() == 0, f"it did not end in order:\n{engine.messages()}")
    lab.judge(job, records, expected, at_least_once=True)


@test("fetch/torture")
def torture(lab):
    with Spoiler(lab.seed) as spoiler:
        advertised = f"PLAINTEXT://{spoiler.address}"
        with kafka.Broker(lab.folder / "spoilt", advertised_listeners=advertised) as broker:
            spoiler.target = broker.port
            lab.broker = broker
            _torment(lab, spoiler)
