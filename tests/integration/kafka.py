"""A real Kafka broker for the tests: one node in KRaft mode, from Maven's jars.

The jars are fetched once into a cache outside of the checkout. A broker keeps its port and data
directory over stop, kill and start, so a test can take it away and bring it back.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from process import Failure, free_port, kill, spawn, stop, tail, wait_until
from reference import Record

VERSION = "3.9.1"
NEWEST = "4.3.1"  # that runs on Java 17

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>freshet.test</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{version}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

# One node for everything. Records keep the timestamps that the tests give them, however old, so
# nothing may be deleted or rolled by time. A group forms at once.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
log.roll.hours=1000000
log.cleaner.enable=false
num.network.threads=2
num.io.threads=2
controlled.shutdown.enable=false
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
"""

CLUSTER_ID = "freshet-test-cluster-id"

_NO_TIMESTAMP = -1  # as records carry it


def jars(version=VERSION):
    """The folder of the broker's jars, fetched by Maven when it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "freshet" / f"kafka-{version}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        (Path(scratch) / "pom.xml").write_text(_POM.format(version=version))
        command = ["mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise Failure(f"mvn could not fetch the broker's jars:\n{done.stdout}{done.stderr}")
        shutil.move(Path(scratch) / "jars", folder)
    return folder


def java(log, *arguments, version=VERSION, heap="512m"):
    """Start a program of the broker's jars."""
    options = [f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    command = ["java", *options, quiet, "-cp", f"{jars(version)}/*", *map(str, arguments)]
    return spawn(command, log)


def format_storage(log, config, version=VERSION):
    tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", config]
    if java(log, *tool, version=version).wait(60) != 0:
        raise Failure(f"the broker's folder could not be made:\n{tail(log)}")


class Broker:
    """Use as a context manager: started on entry, stopped on exit. `kept`: the folder may hold the
    data of an earlier one, and what this one has is there for the next."""

    replicas = 1  # of new topics

    def __init__(self, folder, kept=False, **properties):
        """`properties`: further ones of the broker, with _ for the dots in their names."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=kept)
        self.kept = kept
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = self.folder / "broker.log"
        self.config = self.folder / "server.properties"
        self.child = None
        self.admin = AdminClient(self.client())
        self.config.write_text(
            _PROPERTIES.format(
                port=self.port, controller_port=free_port(), data=self.folder / "data"
            )
            + "".join(f"{key.replace('_', '.')}={value}\n" for key, value in properties.items())
        )
        if not (self.folder / "data/meta.properties").exists():
            format_storage(self.log, self.config)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.kept:
            self.stop()
        else:
            kill(self.child)  # nothing of it is needed any more

    def start(self):
        self.child = java(self.log, "kafka.Kafka", self.config)
        try:
            wait_until(self._answers, 60, "the broker answers", every=0.2)
        except Failure as failure:
            raise Failure(f"{failure}; its log:\n{tail(self.log)}") from None

    def ensure_running(self):
        """A test that failed may have left it down."""
        if self.child.poll() is not None:
            self.start()

    def stop(self):
        stop(self.child, 30)

    def kill(self):
        kill(self.child)

    def _answers(self):
        if self.child.poll() is not None:
            raise Failure("the broker ended by itself")
        try:
            return bool(self.admin.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def client(self, **properties):
        # The client's own complaints about a broker that is down are no news to a test.
        return {"bootstrap.servers": self.address, "log_level": 0, **properties}

    # Topics

    def create_topic(self, name, partitions, timestamp_type="CreateTime", **config):
        """`config`: further properties of the topic, with _ for the dots in their names."""
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        config["message.timestamp.type"] = timestamp_type
        topic = NewTopic(name, partitions, self.replicas, config=config)
        self.admin.create_topics([topic])[name].result(30)
        wait_until(lambda: self.partitions(name) == partitions, 30, f"topic {name} is there")

    def delete_topic(self, name):
        """Returns when the broker does not know it any more."""
        self.admin.delete_topics([name])[name].result(30)
        wait_until(lambda: name not in self.admin.list_topics(timeout=10).topics, 30,
                   f"topic {name} is gone")  # fmt: skip

    def partitions(self, name):
        """How many partitions a topic has; 0: there is no such topic."""
        topic = self.admin.list_topics(timeout=10).topics.get(name)
        return len(topic.partitions) if topic and not topic.error else 0

    def end_offsets(self, name):
        """{partition: the offset after its last record}. A new or restarted topic has no leader for
        a moment."""

        def ask():
            try:
                return {
                    number: consumer.get_watermark_offsets(TopicPartition(name, number), 10)[1]
                    for number in range(self.partitions(name))
                }
            except KafkaException:
                return None

        consumer = self._consumer("end-offsets", **{"isolation.level": "read_uncommitted"})
        try:
            return wait_until(ask, 30, f"the end of topic {name} is known")
        finally:
            consumer.close()

    # Records

    def produce(self, topic, partitions, batch=10_000):
        """{partition: [Record]} in the order given, at most `batch` at a time. Their offsets must
        be those they will get."""
        before = self.end_offsets(topic)
        properties = {"enable.idempotence": True, "linger.ms": 20, "batch.num.messages": batch}
        producer = Producer(self.client(**properties))
        for number, records in partitions.items():
            for place, record in enumerate(records):
                if record.offset != before[number] + place:
                    raise Failure(f"{topic}/{number}: offset {record.offset} comes out of turn")
                send(producer, topic, number, record)
        if producer.flush(120):
            raise Failure(f"{topic}: not all records were sent")
        after = self.end_offsets(topic)
        for number, records in partitions.items():
            if after[number] != before[number] + len(records):
                raise Failure(f"{topic}/{number} ends at {after[number]} after {len(records)} more")

    def produce_in_transactions(self, topic, batches):
        """[(partition, [(timestamp, key, value)], commit?)], each batch one transaction. Returns
        what a reader of committed records sees, with the offsets that they got."""
        properties = {"transactional.id": f"writer-of-{topic}"}
        producer = Producer(self.client(**properties))
        producer.init_transactions(30)
        visible = {}
        for number, rows, commit in batches:
            producer.begin_transaction()
            offset = self.end_offsets(topic)[number]
            for timestamp, key, value in rows:
                record = Record(offset, timestamp, key, value)
                send(producer, topic, number, record)
                if commit:
                    visible.setdefault(number, []).append(record)
                offset += 1
            producer.flush(30)
            producer.commit_transaction(30) if commit else producer.abort_transaction(30)
        return visible

    def read(self, topic):
        """A whole topic: {partition: [Record]}."""
        ends = self.end_offsets(topic)
        read = {number: [] for number in ends}
        consumer = self._consumer("reader")
        try:
            consumer.assign([TopicPartition(topic, number, 0) for number in ends])
            missing = sum(ends.values())
            while missing:
                batch = consumer.consume(min(missing, 10_000), timeout=20)
                if not batch:
                    raise Failure(f"{topic}: {missing} records could not be read")
                for message in batch:
                    if message.error():
                        raise Failure(f"{topic}: {message.error()}")
                    read[message.partition()].append(_record_of(message))
                missing -= len(batch)
        finally:
            consumer.close()
        return read

    def read_committed(self, topic, seconds=60):
        """What a reader of committed records sees of a whole topic: {partition: [Record]}. Offsets
        have gaps where transactions ended or were aborted. Waits for the end of one that is open,
        for it hides what is behind it."""
        ends = self.end_offsets(topic)
        read = {number: [] for number in ends}
        properties = {"isolation.level": "read_committed", "enable.partition.eof": True}
        consumer = self._consumer("committed-reader", **properties)
        left = set(ends)
        deadline = time.monotonic() + seconds
        try:
            consumer.assign([TopicPartition(topic, number, 0) for number in ends])
            while left:
                if time.monotonic() > deadline:
                    raise Failure(f"{topic}: partitions {sorted(left)} cannot be read to the end")
                for message in consumer.consume(10_000, timeout=0.5):
                    number = message.partition()
                    if not message.error():
                        read[number].append(_record_of(message))
                    elif message.error().code() != KafkaError._PARTITION_EOF:
                        raise Failure(f"{topic}: {message.error()}")
                    elif message.offset() >= ends[number]:
                        left.discard(number)
        finally:
            consumer.close()
        return read

    def committed(self, group, topic):
        """{partition: committed offset}; partitions without one are left out."""
        wanted = [TopicPartition(topic, number) for number in range(self.partitions(topic))]
        consumer = self._consumer(group)
        try:
            found = consumer.committed(wanted, 20)
            return {place.partition: place.offset for place in found if place.offset >= 0}
        finally:
            consumer.close()

    def _consumer(self, group, **more):
        properties = {"group.id": group, "enable.auto.commit": False, "fetch.wait.max.ms": 10}
        return Consumer(self.client(**properties, **more))


def send(producer, topic, number, record):
    timestamp = _NO_TIMESTAMP if record.timestamp is None else record.timestamp
    if timestamp == 0:
        raise Failure("to the client a timestamp of 0 means now: it cannot be sent")
    while True:
        try:
            producer.produce(
                topic, record.value, record.key, partition=number, timestamp=timestamp
            )
            return
        except BufferError:
            producer.poll(0.1)


def _record_of(message):
    _, timestamp = message.timestamp()
    return Record(
        message.offset(),
        None if timestamp == _NO_TIMESTAMP else timestamp,
        message.key(),
        message.value(),
    )
