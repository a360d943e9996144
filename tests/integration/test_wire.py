"""Kafka's wire format, read by src/kafka over a plain socket (tests/tools/wire_dump.c) from a real
broker: the records, offsets and times that a stock consumer gets, read_committed and not.

Compressed by the client (librdkafka's libraries) and by the broker (Java's), with headers, null keys
and values, transactions that end and that don't, time of appending, compaction; in all versions of
Fetch, any size of fetch, from any offset.
"""

import subprocess
import time
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from harness import require, test
from kafka import Broker
from process import Failure, wait_until

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
FETCH_VERSIONS = range(4, 13)
LIST_OFFSETS_VERSIONS = range(1, 6)
BASE_MS = 1_767_225_600_000

_UNKNOWN_LEADER_EPOCH = 75
_OFFSET_OUT_OF_RANGE = 1


@dataclass
class Dump:
    """What wire_dump printed."""

    records: list = field(default_factory=list)  # (offset, timestamp, key, value)
    words: dict = field(default_factory=dict)  # "end" → {"position": 7, …}


def _bytes(text):
    return None if text == "-" else bytes.fromhex(text[1:])


def dump(lab, broker, topic, **settings):
    program = lab.program.parent / "tests" / "wire_dump"
    if not program.is_file():
        raise Failure(f"no {program}: build it with `make`")
    command = [program, "127.0.0.1", str(broker.port), topic, "0"]
    command += [f"{name}={value}" for name, value in settings.items()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    require(done.returncode == 0, f"{topic} {settings}: {done.stderr or done.returncode}")
    result = Dump()
    for line in done.stdout.splitlines():
        first, *rest = line.split(" ")
        if first == "record":
            offset, timestamp, key, value = rest
            result.records.append((int(offset), int(timestamp), _bytes(key), _bytes(value)))
        else:
            result.words[first] = {k: int(v) for k, v in (word.split("=") for word in rest)}
    return result


def stock(broker, topic, committed, start=0):
    """([(offset, timestamp, key, value)], position at the end), as librdkafka reads them."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "wire-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
        }
    )
    records = []
    try:
        consumer.assign([TopicPartition(topic, 0, start)])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for message in consumer.consume(1000, timeout=1):
                if not message.error():
                    _, timestamp = message.timestamp()
                    records.append((message.offset(), timestamp, message.key(), message.value()))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    return records, message.offset()
                else:
                    raise Failure(f"{topic}: {message.error()}")
    finally:
        consumer.close()
    raise Failure(f"{topic}: the stock consumer came to no end")


def compare(lab, broker, topic, runs):
    """Each run, settings of wire_dump, against the stock consumer."""
    wanted = {committed: stock(broker, topic, committed) for committed in (0, 1)}
    for settings in runs:
        committed = settings.get("committed", 0)
        start = settings.get("from", 0)
        records, position = wanted[committed]
        got = dump(lab, broker, topic, **settings)
        what = f"{topic} {settings}"
        require("end" in got.words, f"{what}: {got.words}")
        expected = [record for record in records if record[0] >= start]
        for mine, theirs in zip(got.records, expected):
            require(mine == theirs, f"{what}: {str(mine)[:300]}, not {str(theirs)[:300]}")
        require(len(got.records) == len(expected),
                f"{what}: {len(got.records)} records, not {len(expected)}")  # fmt: skip
        end = got.words["end"]
        require(end["position"] == max(position, start),
                f"{what}: ends at {end['position']}, not {position}")  # fmt: skip
        if settings.get("version", 12) >= 5:
            require(end["start"] == got.words["offsets"]["earliest"], f"{what}: {got.words}")
        latest = "stable" if committed and settings.get("list_version", 5) >= 2 else "high"
        require(end[latest] == got.words["offsets"]["latest"], f"{what}: {got.words}")
    return wanted


def all_runs(rng, end):
    """Every version of Fetch and ListOffsets, small fetches and large ones, from anywhere."""
    runs = []
    for version in FETCH_VERSIONS:
        for committed in (0, 1):
            runs.append({"version": version, "committed": committed})
    for version in LIST_OFFSETS_VERSIONS:
        runs.append({"list_version": version, "committed": 1})
    for _ in range(6):
        runs.append(
            {
                "committed": rng.randrange(2),
                "from": rng.randrange(end + 1),
                "bytes": rng.choice([1, 3000, 30_000]),
                "version": rng.choice(FETCH_VERSIONS),
                "take": rng.randrange(1, 65),
            }
        )
    runs.append({"bytes": 3000, "session": 1, "version": 11})
    runs.append({"bytes": 3000, "session": 1, "epoch": 0, "committed": 1})
    return runs


def _text(rng, length):
    """Compresses about as events do."""
    return "".join(rng.choice(("abc", "user_", "0", "xyz", "1")) for _ in range(length // 2)).encode()


def _produce(broker, topic, rng, count, begin=0, keyless=True, **properties):
    problems = []

    def delivered(error, _):
        if error:
            problems.append(error)

    settings = {"bootstrap.servers": broker.address, "linger.ms": 20, "log_level": 0}
    producer = Producer({**settings, "batch.num.messages": 70, **properties})
    for number in range(begin, begin + count):
        key = None if keyless and number % 11 == 3 else f"key-{number % 97}".encode()
        value = None if number % 7 == 5 else _text(rng, rng.choice([0, 10, 200, 2000]))
        headers = [("trace", b"abc"), ("empty", None)] if number % 5 == 1 else None
        producer.produce(topic, value, key, partition=0, headers=headers,
                         timestamp=BASE_MS + number * 3 - rng.randrange(50),
                         on_delivery=delivered)  # fmt: skip
        if number % 300 == 299:
            producer.flush(30)
    require(producer.flush(60) == 0 and not problems, f"{topic}: not all was sent: {problems[:1]}")


@test("wire/codecs_of_the_client")
def codecs_of_the_client(lab):
    topic = f"{lab.prefix}.records"
    lab.broker.create_topic(topic, 1, compression_type="producer")
    for number, codec in enumerate(CODECS * 2):
        _produce(lab.broker, topic, lab.rng, 400, 400 * number, **{"compression.codec": codec})
    end = lab.broker.end_offsets(topic)[0]
    compare(lab, lab.broker, topic, all_runs(lab.rng, end))
    small = dump(lab, lab.broker, topic, bytes=30_000)
    require(small.words["end"]["cut_off"] > 0, f"no batch was cut off: {small.words}")


@test("wire/codecs_of_the_broker")
def codecs_of_the_broker(lab):
    for codec in CODECS[1:]:
        topic = f"{lab.prefix}.{codec}"
        lab.broker.create_topic(topic, 1, compression_type=codec)
        _produce(lab.broker, topic, lab.rng, 1000)
        runs = [{}, {"committed": 1, "bytes": 5000}, {"from": 501, "take": 7}]
        compare(lab, lab.broker, topic, runs)


@test("wire/append_time")
def append_time(lab):
    topic = f"{lab.prefix}.records"
    lab.broker.create_topic(topic, 1, timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    for codec in ("none", "lz4"):
        _produce(lab.broker, topic, lab.rng, 200, **{"compression.codec": codec})
    wanted = compare(lab, lab.broker, topic, [{}, {"from": 77}, {"version": 4}])
    require(all(record[1] >= before for record in wanted[0][0]), "these are not times of appending")


class _Writers:
    """Some transactions side by side."""

    def __init__(self, broker, topic, count):
        self.topic = topic
        self.open = [False] * count
        self.producers = []
        for number in range(count):
            producer = Producer(
                {
                    "bootstrap.servers": broker.address,
                    "transactional.id": f"{topic}-{number}",
                    "compression.codec": CODECS[number % len(CODECS)],
                    "log_level": 0,
                }
            )
            producer.init_transactions(60)
            self.producers.append(producer)

    def step(self, rng, number):
        writer = rng.randrange(len(self.producers))
        producer = self.producers[writer]
        if not self.open[writer]:
            producer.begin_transaction()
            self.open[writer] = True
        for part in range(rng.randrange(1, 9)):
            producer.produce(self.topic, f"{number}.{part}".encode(), b"k", partition=0,
                             timestamp=BASE_MS + number)  # fmt: skip
        producer.flush(30)
        if rng.random() < 0.4:
            self.end(writer, rng.random() < 0.5)

    def end(self, writer, commit):
        producer = self.producers[writer]
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)
        self.open[writer] = False


@test("wire/transactions")
def transactions(lab):
    topic = f"{lab.prefix}.records"
    lab.broker.create_topic(topic, 1)
    writers = _Writers(lab.broker, topic, 4)
    for number in range(120):
        writers.step(lab.rng, number)
        if number % 10 == 0:
            _produce(lab.broker, topic, lab.rng, 5)
    writers.producers[0].begin_transaction() if not writers.open[0] else None
    writers.producers[0].produce(topic, b"not ended", partition=0)
    writers.producers[0].flush(30)
    end = lab.broker.end_offsets(topic)[0]
    wanted = compare(lab, lab.broker, topic, all_runs(lab.rng, end))
    require(len(wanted[0][0]) > len(wanted[1][0]) > 100, "no transaction was aborted")
    got = dump(lab, lab.broker, topic, committed=1).words["end"]
    require(got["stable"] < got["high"], f"no transaction is open: {got}")
    for writer, is_open in enumerate(writers.open):
        if is_open or writer == 0:
            writers.end(writer, False)
    compare(lab, lab.broker, topic, [{"committed": 1, "bytes": size} for size in (1, 500, 1 << 20)])


@test("wire/compacted")
def compacted(lab):
    """A log cleaner needs a broker of its own: the others' must not touch their logs."""
    eager = {"log_cleaner_enable": "true", "log_cleaner_backoff_ms": 100,
             "log_cleaner_dedupe_buffer_size": 4_000_000, "log_cleaner_threads": 1}  # fmt: skip
    with Broker(lab.folder / "compacting", **eager) as broker:
        topic = "compacted"
        broker.create_topic(topic, 1, cleanup_policy="compact", segment_bytes=100_000,
                            min_cleanable_dirty_ratio="0.0", delete_retention_ms=100)  # fmt: skip
        writers = _Writers(broker, topic, 3)
        for number in range(30):
            writers.step(lab.rng, number)
        for writer, is_open in enumerate(writers.open):
            if is_open:
                writers.end(writer, writer == 0)
        for number, codec in enumerate(CODECS):
            _produce(broker, topic, lab.rng, 500, 500 * number, keyless=False,
                     **{"compression.codec": codec, "enable.idempotence": True})  # fmt: skip
        end = broker.end_offsets(topic)[0]
        before = []

        def is_clean():
            count = len(stock(broker, topic, 0)[0])
            before.append(count)
            return count < end // 2 and before[-3:] == [count] * 3

        wait_until(is_clean, 60, "the log is compacted", every=0.5)
        compare(lab, broker, topic, all_runs(lab.rng, end))


@test("wire/errors")
def errors(lab):
    topic = f"{lab.prefix}.records"
    lab.broker.create_topic(topic, 1)
    _produce(lab.broker, topic, lab.rng, 100)

    def error(**settings):
        return dump(lab, lab.broker, topic, **settings).words.get("error")

    wrong = {"diverging_epoch": -1, "diverging_offset": -1}
    found = error(**{"from": 101})
    require(found == {"fetch": _OFFSET_OUT_OF_RANGE, **wrong}, f"out of range: {found}")
    found = error(epoch=99)
    require(found == {"fetch": _UNKNOWN_LEADER_EPOCH, **wrong}, f"unknown epoch: {found}")
    # The log has never been in that epoch: as after a record was lost with its leader.
    found = error(fetched_epoch=99)
    require(found == {"fetch": _OFFSET_OUT_OF_RANGE, **wrong}, f"epoch of the future: {found}")
    require(error(fetched_epoch=0, epoch=0) is None, "the epochs that are right are refused")
    later = dump(lab, lab.broker, topic, time=BASE_MS + 150).words["offsets"]["time"]
    records = stock(lab.broker, topic, 0)[0]
    first = next(record[0] for record in records if record[1] >= BASE_MS + 150)
    require(later == first, f"offset of a time: {later}, not {first}")
