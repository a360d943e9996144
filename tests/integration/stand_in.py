#!/usr/bin/python3
"""An engine that is the reference itself: it proves the harness where there is no other.

    stand_in.py run FILE [--bounded]
    stand_in.py get FILE KEY --json
    stand_in.py check FILE

It reads the topics whole, computes, and writes file, Redis, dead letters and late records; live, it
shows in Redis what the reference says whenever the topics have grown. FRESHET_STAND_IN_FAULT names
a fault to commit, which the tests must then report: see FAULTS. It proves what tests expect of
results; tests of messages, of usage and of patience with a Redis that is away fail with it.
"""

import base64
import json
import os
import signal
import sys
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import redis
import yaml
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import compare
import metrics
from reference import Record, compute
from reference.online import as_json, as_text
from reference.pipeline import duration_ms, read_pipeline
from reference.tolerances import Histogram


def main():
    if len(sys.argv) < 3:
        print("usage: stand_in.py run FILE [--bounded]", file=sys.stderr)
        return 2
    path = Path(sys.argv[2])
    try:
        text = path.read_text()
        document = yaml.safe_load(text)
        read_pipeline(text)
    except Exception as error:
        print(f"{path}:1:1: {error}", file=sys.stderr)
        return 78
    if sys.argv[1] == "check":
        return 0
    if sys.argv[1] == "get":
        return get(document, sys.argv[3])
    try:
        engine = StandIn(document, text)
        return engine.run_bounded() if "--bounded" in sys.argv else engine.run_live()
    except Exception as error:
        print(f"freshet: {error!r}", file=sys.stderr)
        return 1


def get(document, key):
    name = document["redis"]["key"].replace("{user_id}", key)
    found = redis.from_url(document["redis"]["url"]).hgetall(name)
    print(json.dumps({field.decode(): value.decode() for field, value in found.items()}))
    return 0


class Reader:
    """What the sources' topics hold, read on from where it was."""

    def __init__(self, document):
        self.sources = document["sources"].values()
        self.records = {spec["topic"]: {} for spec in self.sources}
        self.grown = {}  # (topic, partition) → when it last did, by the wall clock
        self.next = {}  # (topic, partition) → offset
        self.consumer = Consumer(
            {
                "bootstrap.servers": document["kafka"]["brokers"],
                "group.id": document["kafka"]["group"],
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
        topics = self.topics()
        for spec in self.sources:
            if spec["topic"] not in topics:
                raise RuntimeError(f"there is no topic {spec['topic']}")
            for number in topics[spec["topic"]].partitions:
                place = (spec["topic"], number)
                self.next[place] = self._first(*place, spec.get("start", "earliest"))
                self.records[spec["topic"]][number] = []
                self.grown[place] = time.monotonic()

    def topics(self):
        return self.consumer.list_topics(timeout=10).topics

    def _first(self, topic, number, start):
        first, end = self.consumer.get_watermark_offsets(TopicPartition(topic, number), 10)
        if start in ("earliest", "latest"):
            return first if start == "earliest" else end
        ms = start if isinstance(start, int) else _ms(start)
        (found,) = self.consumer.offsets_for_times([TopicPartition(topic, number, ms)], 10)
        return found.offset if found.offset >= 0 else end

    def read(self):
        for (topic, number), first in list(self.next.items()):
            self.consumer.assign([TopicPartition(topic, number, first)])
            while (message := self.consumer.poll(10)) is not None:
                if message.error():
                    if message.error().code() == KafkaError._PARTITION_EOF:
                        self.next[topic, number] = message.offset()
                        break
                    raise RuntimeError(str(message.error()))
                timestamp = message.timestamp()[1]
                self.records[topic][number].append(
                    Record(
                        message.offset(),
                        timestamp if timestamp >= 0 else None,
                        message.key(),
                        message.value(),
                    )
                )
                self.grown[topic, number] = time.monotonic()

    def commit(self):
        offsets = [TopicPartition(*place, offset) for place, offset in self.next.items()]
        self.consumer.commit(offsets=offsets, asynchronous=False)


class StandIn:
    def __init__(self, document, text):
        self.document = document
        self.text = text
        self.redis = redis.from_url(document["redis"]["url"]) if "redis" in document else None
        if self.redis:
            self.redis.ping()
        self.reader = Reader(document)
        self.create_topics()
        self.result = None

    def create_topics(self):
        admin = AdminClient({"bootstrap.servers": self.document["kafka"]["brokers"]})
        present = self.reader.topics()
        for spec in self.document["sources"].values():
            for topic in (spec.get("late_topic"), spec.get("dead_letter_topic")):
                if topic and topic not in present:
                    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)

    def run_bounded(self):
        self.reader.read()
        self.result = compute(self.text, self.reader.records)
        FAULTS[os.environ.get("FRESHET_STAND_IN_FAULT")](self.result)
        self.finish()
        return 0

    def run_live(self):
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        host, port = self.document["admin"]["listen"].split(":")
        pages = HTTPServer((host, int(port)), _pages_of(self))
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        while not stopped.is_set():
            try:
                self.reader.read()
                clocks = self.idle_clocks()
                self.result = compute(self.text, self.reader.records, "live", clocks)
                self.show()
            except (redis.ConnectionError, RuntimeError) as error:
                print(f"freshet: {error}", file=sys.stderr)
            stopped.wait(0.3)
        self.finish()
        return 0

    def idle_clocks(self):
        """As section 5 says, for partitions of aligned sources that have read an event."""
        clocks, now = {}, time.monotonic()
        watermarks = self.result.watermarks if self.result else {}
        for name, spec in self.document["sources"].items():
            mine = {number: ms for (source, number), ms in watermarks.items() if source == name}
            silent = {number: now - self.reader.grown[spec["topic"], number] for number in mine}
            patience = duration_ms(spec.get("idle_after", "30s")) / 1000
            active = [mine[number] for number in mine if silent[number] < patience]
            for number in mine:
                if silent[number] >= patience:
                    alone = mine[number] + int(1000 * silent[number])
                    clocks[name, number] = min(active) if active else alone
        return clocks

    # Outputs

    def finish(self):
        if self.redis:
            self.show()
        self.write_rows()
        self.write_letters()
        self.reader.commit()

    def show(self):
        pipe = self.redis.pipeline(transaction=False)
        for key, fields in self.result.redis.items():
            pipe.delete(key)
            pipe.hset(key, mapping={name: as_text(_cut(value)) for name, value in fields.items()})
            for view in self.result.pipeline.views:
                if f"{view.name}.window_end" in fields:
                    pipe.hset(key, f"{view.name}.computed_at", int(time.time() * 1000))
            pipe.expire(key, 25 * 3600)
        pipe.execute()

    def write_rows(self):
        with open(self.document["outputs"]["file"]["path"], "a", encoding="utf-8") as file:
            file.writelines(json_text(row) + "\n" for row in self.result.rows)

    def write_letters(self):
        producer = Producer({"bootstrap.servers": self.document["kafka"]["brokers"]})
        sources = {source.name: source for source in self.result.pipeline.sources}
        letters = [(letter, sources[letter["source"]].dead_letter_topic, letter["error"])
                   for letter in self.result.dead_letters]  # fmt: skip
        letters += [(late, sources[late["source"]].late_topic, "late") for late in self.result.late]
        for letter, topic, error in letters:
            if topic:
                key, body = self.letter(letter, error)
                producer.produce(topic, json.dumps(body), key)
                producer.poll(0)
        producer.flush(30)

    def letter(self, letter, error):
        records = self.reader.records[letter["topic"]][letter["partition"]]
        record = next(record for record in records if record.offset == letter["offset"])
        body = {name: value for name, value in letter.items() if name != "source"}
        body.update(error=error, ts=record.timestamp, raw=None)
        if record.value is not None:
            shown = record.value[: compare.RAW_LIMIT]
            if len(shown) < len(record.value):
                body["truncated"] = True
            try:
                record.value.decode()
                body["raw"] = shown.decode(errors="ignore")  # no half of a character
            except UnicodeDecodeError:
                body.update(raw=base64.b64encode(shown).decode(), encoding="base64")
        return record.key, body


def _pages_of(engine):
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self):
            pages = {"/metrics": _metrics, "/status": lambda _: "{}"}
            text = pages.get(self.path, lambda _: "ok")(engine) if engine.result else ""
            self.send_response(200 if engine.result else 503)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    return Pages


def _metrics(engine):
    result, samples = engine.result, {}
    names = {
        "events": (metrics.EVENTS, ("source",)),
        "late": (metrics.LATE, ("view",)),
        "late_events": (metrics.LATE_RECORDS, ("source",)),
        "dead_letters": (metrics.DEAD_LETTERS, ("source", "reason")),
        "duplicates": (metrics.DUPLICATES, ("source",)),
    }
    for (counted, *labels), value in result.counts.items():
        name, label_names = names[counted]
        samples[name, tuple(zip(label_names, labels))] = value
    for source in result.pipeline.sources:
        read = sum(map(len, engine.reader.records[source.topic].values()))
        samples[metrics.RECORDS, (("source", source.name),)] = read
    for row in result.rows:
        for name in [metrics.ROWS] + [metrics.EMPTY_ROWS] * ("empty" in row):
            place = (name, (("view", row["view"]),))
            samples[place] = samples.get(place, 0) + 1
    lines = [f"# TYPE {name} counter" for name in {name for name, _ in samples}]
    for (name, labels), value in samples.items():
        pairs = ",".join(f'{label}="{text}"' for label, text in labels)
        lines.append(f"{name}{{{pairs}}} {value}")
    return "\n".join(lines) + "\n"


def json_text(row):
    """A row as one line, its names in the order in which they stand."""
    texts = {name: as_json(value) for name, value in row.items() if name != "features"}
    features = {name: as_json(_cut(value)) for name, value in row["features"].items()}
    return _object({**texts, "features": _object(features)})


def _object(texts):
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in texts.items()) + "}"


def _cut(value):
    """A histogram over its limit as an engine may show it; everything else as it is."""
    if not isinstance(value, Histogram):
        return value
    first = sorted(value.counts)[: value.limit]
    own = {name: value.counts[name] for name in first}
    return {**own, "__other__": sum(value.counts.values()) - sum(own.values())}


# Faults: each takes a result and spoils it.


def _wrong_value(result):
    features = result.rows[len(result.rows) // 2]["features"]
    features[next(iter(features))] = 987654321


def _lost_row(result):
    result.rows.pop()


def _doubled_row(result):
    result.rows.append(dict(result.rows[0]))


def _wrong_hash(result):
    fields = next(iter(result.redis.values()))
    fields[next(iter(fields))] = 987654321


def _lost_key(result):
    result.redis.popitem()


def _lost_letter(result):
    result.dead_letters.pop()


def _wrong_reason(result):
    result.dead_letters[0]["error"] = "bad_luck"


FAULTS = {
    None: lambda _: None,
    "wrong_value": _wrong_value,
    "lost_row": _lost_row,
    "doubled_row": _doubled_row,
    "wrong_hash": _wrong_hash,
    "lost_key": _lost_key,
    "lost_letter": _lost_letter,
    "wrong_reason": _wrong_reason,
}


def _ms(text):
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


if __name__ == "__main__":
    sys.exit(main())
