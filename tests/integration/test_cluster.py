"""Three brokers: leaders die and move under load, logs are compacted, written in transactions and by
all codecs. Every record that a stock consumer reads counts, each once, in order.

What was written is not told by the producers, which may have sent a batch again when a leader died,
but by reading it as a stock consumer does; the reference makes of that what the engine must show.
"""

import random
import threading
import time

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import ConfigResource

import kafka
from events import HOUR, Traffic, traffic
from harness import EXAMPLES, load, require, test
from process import Failure, wait_until
from reference import compute

_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_PARTITIONS = 6
_CHUNK = 100  # records that are written at a time


class Writer(threading.Thread):
    """Sends {partition: [Record]} in chunks, each by another codec, half of them in transactions, of
    which some are aborted and then written once more."""

    def __init__(self, cluster, topic, partitions, seed):
        super().__init__(daemon=True)
        self.topic = topic
        self.rng = random.Random(f"{seed}/writer")
        self.chunks = _chunks(partitions)
        self.written = 0
        self.problem = None
        self.plain = {codec: Producer(_properties(cluster, codec)) for codec in _CODECS}
        self.bound = {}
        for codec in _CODECS:
            name = {"transactional.id": f"{topic}.{codec}"}
            self.bound[codec] = Producer({**_properties(cluster, codec), **name})

    def run(self):
        try:
            for producer in self.bound.values():
                producer.init_transactions(60)
            for number, (partition, records) in enumerate(self.chunks):
                self._write(_CODECS[number % len(_CODECS)], partition, records)
                self.written = number + 1
        except Exception as problem:  # the test tells of it
            self.problem = problem
        finally:  # while there is a cluster: without one they would not end
            self.plain = self.bound = None

    def wait_for(self, share):
        """Until that share is written."""
        wanted = share * len(self.chunks)
        wait_until(lambda: self.problem or self.written >= wanted, 120, f"{share:.0%} is written")
        require(not self.problem, f"the writer failed: {self.problem!r}")

    def _write(self, codec, partition, records):
        if self.rng.random() < 0.5:
            self._send(self.plain[codec], partition, records)
            require(self.plain[codec].flush(60) == 0, "not all records were sent")
            return
        if self.rng.random() < 0.4:
            self._transaction(self.bound[codec], partition, records, commit=False)
        self._transaction(self.bound[codec], partition, records, commit=True)

    def _send(self, producer, partition, records):
        for record in records:
            kafka.send(producer, self.topic, partition, record)

    def _transaction(self, producer, partition, records, commit):
        for _ in range(20):
            producer.begin_transaction()
            self._send(producer, partition, records)
            try:
                producer.flush(60)
                producer.commit_transaction(60) if commit else producer.abort_transaction(60)
                return
            except KafkaException as problem:
                if not problem.args[0].txn_requires_abort():
                    raise
                producer.abort_transaction(60)
        raise Failure(f"partition {partition}: the broker takes no transaction")


def _properties(cluster, codec):
    return cluster.client(**{
        "compression.type": codec,
        "enable.idempotence": True,
        "linger.ms": 5,
        "batch.num.messages": 50,
    })  # fmt: skip


def _chunks(partitions):
    """[(partition, records)], the partitions in turn."""
    found = []
    for number, records in partitions.items():
        parts = range(0, len(records), _CHUNK)
        found += [(at, number, records[at : at + _CHUNK]) for at in parts]
    return [(number, records) for _, number, records in sorted(found, key=lambda part: part[:2])]


def _pipeline(lab):
    # No partition may seem idle while its leader is away: only the watermark fires windows.
    text = lab.pipeline((EXAMPLES / "fraud.yaml").read_text(), "aligned", source={"idle_after": "1h"})
    (topic,) = [spec["topic"] for spec in load(text)["sources"].values()]
    return text, topic


def _leaders_fail(lab, version, timestamp_type):
    cluster = lab.cluster(version)
    text, topic = _pipeline(lab)
    spec = Traffic(6000, lab.seed, partitions=_PARTITIONS, users=200, span_ms=4 * HOUR)
    cluster.create_topic(topic, _PARTITIONS, timestamp_type)
    writer = Writer(cluster, topic, traffic(text, spec)[topic], lab.seed)
    job = lab.job(text, shards=2, kafka={"fetch": "native"})
    engine = lab.start(job)
    writer.start()

    writer.wait_for(0.3)
    node = cluster.kill_leader(topic, 0)
    writer.wait_for(0.5)
    cluster.revive(node)
    order = [1, 2, 3]
    cluster.reassign(topic, {  # others lead, and one node has no replica any more
        number: [order[(number + 1) % 3], order[(number + 2) % 3]] for number in range(_PARTITIONS)
    })  # fmt: skip
    writer.wait_for(1)

    records = {topic: cluster.read_committed(topic)}
    expected = compute(text, records, "live")
    lab.wait_for_redis(job, expected, engine)
    require(engine.terminate() == 0, f"it did not end in order:\n{engine.messages()}")
    lab.judge(job, records, expected, at_least_once=True)
    _read_at_once(lab, text, records)


def _read_at_once(lab, text, records):
    """The same topics, from the beginning, by each way to fetch."""
    expected = compute(text, records)
    for fetch in ("native", "librdkafka"):
        job = lab.job(text, shards=3, kafka={"fetch": fetch})
        lab.run_bounded(job, seconds=90)
        lab.judge(job, records, expected)


@test("cluster/older")
def older(lab):
    """Only if --filter asks for it: single brokers of that version are in every other test."""
    _leaders_fail(lab, kafka.VERSION, "CreateTime")


@test("cluster/newest")
def newest(lab):
    """The newest Kafka; the broker says what time it is; and a log with holes."""
    _leaders_fail(lab, kafka.NEWEST, "LogAppendTime")
    _compacted(lab)


def _compacted(lab):
    """Most records of a log are gone, in the middle of batches too."""
    text, topic = _pipeline(lab)
    text = text.replace(topic, f"{topic}.compacted")
    topic = f"{topic}.compacted"
    policy = {"cleanup_policy": "compact", "segment_ms": 1000, "min_cleanable_dirty_ratio": 0.01}
    lab.broker.create_topic(topic, 2, **policy)
    spec = Traffic(3000, lab.seed, partitions=2, users=150, span_ms=4 * HOUR, bad=0)
    parts = {  # such a topic takes no record without a key
        number: [record for record in part if record.key is not None]
        for number, part in traffic(text, spec)[topic].items()
    }
    _write(lab, topic, parts)
    count = _count(lab, topic)
    time.sleep(1.2)  # a segment that is written to is rolled by time, and not compacted before
    _write(lab, topic, {number: part[-3:] for number, part in parts.items()})
    wait_until(lambda: _count(lab, topic) < count * 0.8, 60, "old records are gone", every=0.5)
    resource = ConfigResource("topic", topic, {"cleanup.policy": "delete"})
    lab.broker.admin.alter_configs([resource])[resource].result(30)
    time.sleep(1)  # for what the cleaner was about to do
    _read_at_once(lab, text, {topic: lab.broker.read_committed(topic)})


def _write(lab, topic, partitions):
    writer = Writer(lab.broker, topic, partitions, lab.seed)
    writer.run()
    require(not writer.problem, f"the writer failed: {writer.problem!r}")


def _count(lab, topic):
    return sum(map(len, lab.broker.read_committed(topic).values()))
