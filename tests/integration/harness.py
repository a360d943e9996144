"""What a test works with: a `Lab` with a broker, Redis servers, engines and pipelines of its own.

A test is a function of a Lab, registered by `@test(name)`; it passes unless it raises. All that a
Lab starts is stopped and all that it writes is removed when the test is over, however it ends.
"""

import contextlib
import random
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

import compare
from cluster import Cluster
from engine import Engine, admin_address, parse_row, read_rows
from process import Failure, wait_until
from redis_server import RedisServer
from reference.pipeline import read_pipeline

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"

BOUNDED_SECONDS = 180  # for a bounded run
CATCH_UP_SECONDS = 90  # for a live engine to show what it must

TESTS = {}  # name → function


def test(name):
    """Register a test."""

    def register(function):
        if name in TESTS:
            raise ValueError(f"two tests are called {name}")
        TESTS[name] = function
        return function

    return register


def load(text):
    return yaml.safe_load(text)


def dump(document):
    """A pipeline document as YAML text, its entries in the order in which they stand."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)


@dataclass
class Job:
    """One pipeline file on disk, ready to be run, with outputs that no other job has."""

    text: str
    path: Path
    rows: Path
    group: str
    address: str  # of its admin pages
    redis: RedisServer | None
    state: Path  # its state.dir, nobody else's
    topic: str | None = None  # that its rows go to as well


class Lab:
    """Use as a context manager."""

    def __init__(self, name, folder, program, broker, seed, fetch=None):
        """`fetch`: who fetches in this test's jobs, unless they say it themselves; None: whoever the
        engine chooses."""
        self.name = name
        self.folder = Path(folder)
        self.program = program
        self.broker = broker
        self.seed = seed
        self.fetch = fetch
        self.rng = random.Random(f"{seed}/{name}")
        self.prefix = name.replace("/", ".")
        self._stack = contextlib.ExitStack()
        self._count = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def _next(self, what):
        self._count += 1
        return f"{what}-{self._count}"

    # Pipelines

    def pipeline(self, text, partitioning=None, source=None, **sections):
        """A pipeline file as this test uses it: topics of its own, nothing else changed but the
        `source` settings, which all sources get, and whole top-level `sections`."""
        document = load(text)
        document["kafka"]["brokers"] = self.broker.address
        for spec in document["sources"].values():
            for name in ("topic", "late_topic", "dead_letter_topic"):
                if name in spec:
                    spec[name] = f"{self.prefix}.{spec[name]}"
            if partitioning:
                spec["partitioning"] = partitioning
            spec.update(source or {})
        document.update(sections)
        return dump(document)

    def fill(self, text, records, timestamp_type="CreateTime", batch=10_000):
        """Create the topics that a pipeline reads and send them {topic: {partition: [Record]}}."""
        for spec in load(text)["sources"].values():
            topic = spec["topic"]
            self.broker.create_topic(topic, len(records[topic]), timestamp_type)
            self.broker.produce(topic, records[topic], batch)

    def job(self, text, shards=1, redis=True, create_topics=True, topic=False, **sections):
        """A job of its own for a pipeline: files, consumer group, Redis, late and dead-letter
        topics. `redis` may also be a server that is running, or False for none; with `topic` rows
        go to a transactional feature topic, too; `sections` are top-level ones to begin with."""
        tag = self._next("job")
        document = load(text)
        folder = self.folder / tag
        folder.mkdir(parents=True)
        server = self.redis() if redis is True else redis or None
        if server:
            document["redis"]["url"] = server.url()
        else:
            document.pop("redis", None)
        for name, section in sections.items():
            document[name] = {**document.get(name, {}), **section}
        document["kafka"]["group"] = f"{self.prefix}.{tag}"
        if self.fetch:
            document["kafka"].setdefault("fetch", self.fetch)
        document["engine"] = {**document.get("engine", {}), "shards": shards}
        document["state"] = {**document.get("state", {}), "dir": str(folder / "state")}
        document["admin"] = {"listen": admin_address()}
        document["outputs"] = {"file": {"path": str(folder / "rows.ndjson")}}
        rows_topic = f"{self.prefix}.{tag}.rows" if topic else None
        if rows_topic:
            document["outputs"]["kafka"] = {"topic": rows_topic, "transactional": True}
            self.broker.create_topic(rows_topic, 3)
        for spec in document["sources"].values():
            for name in ("late_topic", "dead_letter_topic"):
                if name in spec:
                    spec[name] = f"{spec[name]}.{tag}"
                    if create_topics:
                        self.broker.create_topic(spec[name], 3)
        path = folder / "pipeline.yaml"
        path.write_text(dump(document))
        return Job(
            text=path.read_text(),
            path=path,
            rows=folder / "rows.ndjson",
            group=document["kafka"]["group"],
            address=document["admin"]["listen"],
            redis=server,
            state=Path(document["state"]["dir"]),
            topic=rows_topic,
        )

    def changed(self, job, change):
        """The same job with a pipeline file that `change(document)` has edited."""
        document = load(job.text)
        change(document)
        job.path.write_text(dump(document))
        return replace(job, text=job.path.read_text())

    # Things that run

    def redis(self, **options):
        server = RedisServer(self.folder / self._next("redis"), **options)
        return self._stack.enter_context(server)

    def cluster(self, version):
        """A cluster of this test's own, which takes the broker's place from here on."""
        self.broker = self._stack.enter_context(Cluster(self.folder / "cluster", version))
        return self.broker

    def start(self, job, bounded=False, arguments=(), environment=None, program=None):
        engine = Engine(program or self.program, job.path, bounded, arguments, environment)
        return self._stack.enter_context(engine)

    def run_bounded(self, job, seconds=BOUNDED_SECONDS, arguments=(), **options):
        engine = self.start(job, True, arguments, **options)
        engine.expect_exit(0, seconds)
        return engine

    # Verdicts

    def judge(self, job, records, expected, last_only=False, at_least_once=False):
        """All outputs of a job against the reference. Where something was away, dead letters and
        late records may be there twice."""
        problems = self.row_problems(job, expected, last_only)
        problems += self.topic_problems(job, expected, last_only)
        problems += self.store_problems(job, expected)
        problems += self.letter_problems(job, records, expected, at_least_once)
        require(not problems, "\n".join(problems))

    def row_problems(self, job, expected, last_only=False):
        return compare.rows(expected, read_rows(job.rows), last_only)

    def topic_problems(self, job, expected, last_only=False):
        """The feature topic, as a reader of committed records sees it."""
        if not job.topic:
            return []
        rows = self.topic_rows(job)
        return [f"feature topic: {line}" for line in compare.rows(expected, rows, last_only)]

    def topic_rows(self, job):
        read = self.broker.read_committed(job.topic)
        return [parse_row(record.value) for records in read.values() for record in records]

    def store_problems(self, job, expected):
        return compare.redis(expected, job.redis.hashes()) if job.redis else []

    def letter_problems(self, job, records, expected, at_least_once=False):
        """Dead letters and late records; the topics that they go to are the job's own."""
        read = {}
        mine = replace(expected, pipeline=read_pipeline(job.text))
        for source in mine.pipeline.sources:
            for topic in filter(None, (source.late_topic, source.dead_letter_topic)):
                read[topic] = self.broker.read(topic)
        return compare.dead_letters(mine, records, read, at_least_once) + compare.late(
            mine, records, read, at_least_once
        )

    def wait_for_redis(self, job, expected, engine, seconds=CATCH_UP_SECONDS):
        """Until the online store shows what it must; in the end the difference is the failure."""
        problems = ["nothing was read from Redis"]

        def equal():
            engine.expect_running()
            problems[:] = compare.redis(expected, job.redis.hashes())
            return not problems

        try:
            wait_until(equal, seconds, "Redis shows what it must", every=0.3)
        except Failure as failure:
            raise Failure("\n".join([str(failure), *problems, engine.messages()])) from None


def require(condition, message):
    if not condition:
        raise Failure(message)
