"""How a run starts, or says why it does not: exit codes and messages of section 12."""

import re
import time

from engine import Engine, command
from events import HOUR, Traffic, traffic
from harness import EXAMPLES, dump, load, require, test
from process import free_port
from reference import compute

PATIENCE_SECONDS = 30  # until a start that cannot succeed has said so


def _small(lab):
    """The fraud example with a little traffic: its text and its records, not yet sent."""
    text = lab.pipeline((EXAMPLES / "fraud.yaml").read_text(), "aligned")
    spec = Traffic(records=2000, seed=lab.seed, users=50, partitions=4, span_ms=2 * HOUR)
    return text, traffic(text, spec)


def _edit(job, change):
    """Change a job's pipeline file after the fact."""
    document = load(job.text)
    change(document)
    job.path.write_text(dump(document))


def _expect_refusal(lab, job, status, *wanted):
    """It ends with `status` and its messages hold all of `wanted`."""
    engine = lab.start(job, bounded=True)
    started = time.monotonic()
    engine.expect_exit(status, PATIENCE_SECONDS + 10)
    took = time.monotonic() - started
    require(took <= PATIENCE_SECONDS, f"it took {took:.0f} s to say so:\n{engine.messages()}")
    for text in wanted:
        message = f"the message does not name {text!r}:\n{engine.messages()}"
        require(str(text) in job.path.with_suffix(".log").read_text(), message)


@test("start/topic_missing")
def topic_missing(lab):
    text, _ = _small(lab)
    topic = load(text)["sources"]["transactions"]["topic"]
    _expect_refusal(lab, lab.job(text), 1, topic)


@test("start/broker_unreachable")
def broker_unreachable(lab):
    text, _ = _small(lab)
    job = lab.job(text)
    address = f"127.0.0.1:{free_port()}"
    _edit(job, lambda document: document["kafka"].update(brokers=address))
    _expect_refusal(lab, job, 1, address)


@test("start/redis_unreachable")
def redis_unreachable(lab):
    text, records = _small(lab)
    lab.fill(text, records)
    job = lab.job(text)
    job.redis.stop()
    _expect_refusal(lab, job, 1, job.redis.port)


@test("start/redis_wrong_password")
def redis_wrong_password(lab):
    text, records = _small(lab)
    lab.fill(text, records)
    server = lab.redis(password="right")
    users = lab.redis(users={"feeder": "right"})
    for url in (
        server.url(password="wrong"),
        f"redis://127.0.0.1:{server.port}",
        users.url(user="feeder", password="wrong"),
        users.url(user="nobody", password="right"),
    ):
        job = lab.job(text, redis=server)
        _edit(job, lambda document, url=url: document["redis"].update(url=url))
        _expect_refusal(lab, job, 1)
        log = job.path.with_suffix(".log").read_text()
        require("edis" in log, f"the message does not speak of Redis:\n{log}")
        require("wrong" not in log.replace("WRONGPASS", ""), f"it tells the password:\n{log}")


@test("start/redis_ways_in")
def redis_ways_in(lab):
    """A password, an ACL user, a unix socket."""
    text, records = _small(lab)
    lab.fill(text, records)
    expected = compute(text, records)
    for options in ({"password": "s3cret"}, {"users": {"feeder": "pa55"}}, {"unix": True}):
        job = lab.job(text, redis=lab.redis(**options))
        lab.run_bounded(job)
        lab.judge(job, records, expected)


@test("start/no_redis")
def no_redis(lab):
    """Redis is optional: rows go to the file alone."""
    text, records = _small(lab)
    lab.fill(text, records)
    job = lab.job(text, redis=False)
    lab.run_bounded(job)
    lab.judge(job, records, compute(text, records))


@test("start/missing_topics_are_created")
def missing_topics_are_created(lab):
    """Those that the pipeline writes to."""
    text, records = _small(lab)
    lab.fill(text, records)
    job = lab.job(text, create_topics=False)
    source = load(job.text)["sources"]["transactions"]
    require(not lab.broker.partitions(source["late_topic"]), "the topic is there before the start")
    lab.run_bounded(job)
    for name in ("late_topic", "dead_letter_topic"):
        require(lab.broker.partitions(source[name]), f"{source[name]} has not been created")
    lab.judge(job, records, compute(text, records))


@test("start/without_late_and_dead_letter_topics")
def without_topics(lab):
    """Such records are then only counted; the results are the same."""
    text, records = _small(lab)
    lab.fill(text, records)
    document = load(text)
    for name in ("late_topic", "dead_letter_topic"):
        del document["sources"]["transactions"][name]
    job = lab.job(dump(document))
    lab.run_bounded(job)
    lab.judge(job, records, compute(text, records))


@test("start/bad_pipeline_file")
def bad_pipeline_file(lab):
    """Refused with file:line:column before anything is touched, by `check` too."""
    text, _ = _small(lab)
    changes = {
        "not YAML": lambda text: text.replace("sources:", "sources: [", 1),
        "unknown key": lambda text: text.replace("entity:", "entty:", 1),
        "unknown type": lambda text: text.replace("user_id: string", "user_id: strng", 1),
        "unknown window": lambda text: text.replace("sliding:", "slidng:", 1),
        "unknown field": lambda text: text.replace("sum: amount", "sum: amuont", 1),
        "size no multiple": lambda text: text.replace("every: 1m", "every: 7m", 1),
        "no source": lambda text: text.replace("source: transactions", "source: transaction", 1),
    }
    job = lab.job(text)
    for fault, change in changes.items():
        broken = change(job.text)
        require(broken != job.text, f"{fault}: nothing was changed")
        job.path.write_text(broken)
        for words in (("run", job.path, "--bounded"), ("check", job.path)):
            status, out, err = command(lab.program, *words)
            require(status == 78, f"{fault}, {words[0]}: exit status {status}, not 78:\n{out}{err}")
            place = re.search(re.escape(job.path.name) + r":(\d+):(\d+)", err)
            require(place, f"{fault}, {words[0]}: no file:line:column in:\n{err}")
    require(not job.rows.exists(), "an output has been touched")
    require(job.redis.hashes() == {}, "Redis has been touched")


@test("start/usage")
def usage(lab):
    for words in ((), ("run",), ("rnu", "x.yaml"), ("run", "--bonded", "x.yaml")):
        status, _, err = command(lab.program, *words)
        require(status == 2, f"freshet {' '.join(words)}: exit status {status}, not 2")
        require(err, f"freshet {' '.join(words)}: no message")


@test("start/examples_check")
def examples_check(lab):
    for path in sorted(EXAMPLES.glob("*.yaml")):
        status, out, err = command(lab.program, "check", path)
        require(status == 0, f"{path.name}: exit status {status}:\n{out}{err}")


@test("start/file_missing")
def no_such_file(lab):
    missing = lab.folder / "missing.yaml"
    status, _, err = command(lab.program, "run", missing)
    require(status not in (0, 2), f"exit status {status}")
    require("missing.yaml" in err, f"the message does not name the file:\n{err}")


@test("start/two_runs_append")
def two_runs_append(lab):
    """Without a checkpoint an existing file is appended to."""
    text, records = _small(lab)
    lab.fill(text, records)
    job = lab.job(text)
    lab.run_bounded(job)
    first = job.rows.read_bytes()
    with Engine(lab.program, job.path, bounded=True) as engine:
        engine.expect_exit(0, 60)
    require(job.rows.read_bytes().startswith(first), "the rows of the first run are not kept")
