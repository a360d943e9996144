"""`freshet checkpoint ls | inspect | save | restore`, `freshet check --against`, and what metrics and
admin pages say of checkpoints."""

import json
import shutil
from pathlib import Path

import metrics
from engine import command
from events import HOUR, Traffic, traffic
from harness import dump, load, require, test
from offsets import committed_with_metadata
from process import wait_until
from reference import compute

PARTITIONS = 3
LONG_NAME = "before.the-upgrade_" + "x" * 45  # as long as a name may be

_PIPELINE = """
pipeline: commands
kafka: {brokers: to be set, group: to be set, properties: {session.timeout.ms: 6000}}
redis: {url: to be set, key: "f:{user_id}", ttl: 25h}
sources:
  events:
    topic: events
    partitioning: aligned
    entity: user_id
    time: {field: timestamp, unit: ms}
    fields:
      user_id: string
      event_type: string
      amount: {type: decimal(2), optional: true}
    out_of_orderness: 30s
    allowed_lateness: 10m
    idle_after: 24h
views:
  hours:
    source: events
    window: {tumbling: 1h}
    features:
      hour_count: {count: true}
      hour_types: {histogram: event_type}
  recent:
    source: events
    window: {sliding: 10m, every: 1m}
    emit: on_update
    features:
      recent_count: {count: true}
      recent_amount: {sum: amount}
checkpoint: {every: 300ms, min_pause: 0s}
"""


def _parts(lab, text, count, users=60):
    """The source's topic, which is there, all its records, and the parts in which they come."""
    topic = load(text)["sources"]["events"]["topic"]
    spec = Traffic(8000, lab.seed, partitions=PARTITIONS, users=users, span_ms=4 * HOUR)
    records = traffic(text, spec)
    lab.broker.create_topic(topic, PARTITIONS)
    parts = [
        {
            number: mine[len(mine) * part // count : len(mine) * (part + 1) // count]
            for number, mine in records[topic].items()
        }
        for part in range(count)
    ]
    return topic, records, parts


def _freshet(lab, *words, seconds=60):
    """(stdout, stderr) of a command that must succeed."""
    status, out, err = command(lab.program, *words, seconds=seconds)
    require(status == 0, f"freshet {words}: exit status {status}:\n{out}{err}")
    return out, err


def _refused(lab, words, *wanted, status=1):
    """A command that must fail, its message holding all of `wanted`."""
    found, out, err = command(lab.program, *words, seconds=60)
    require(found == status, f"freshet {words}: exit status {found}, not {status}:\n{out}{err}")
    for text in wanted:
        require(text in err, f"freshet {words}: the message does not say {text!r}:\n{err}")


def _listed(lab, job, *options):
    out, _ = _freshet(lab, "checkpoint", "ls", job.path, "--json", *options)
    return [json.loads(line) for line in out.splitlines()]


def _wait_read(lab, job, topic, ends, engine):
    """Until all that was sent is in a checkpoint that is committed."""

    def is_read():
        engine.expect_running()
        return lab.broker.committed(job.group, topic) == ends

    wait_until(is_read, 60, "everything that was sent is committed")


@test("checkpoint_commands/savepoint")
def savepoint(lab):
    """Saved under load, listed, inspected, restored: the rows are those of one run, each time."""
    text = lab.pipeline(_PIPELINE)
    topic, records, parts = _parts(lab, text, 3)
    expected = compute(text, records)
    job = lab.job(text, shards=2)
    folder = Path(load(job.text)["state"]["dir"])
    lab.broker.produce(topic, parts[0])
    engine = lab.start(job)
    engine.wait_ready(job.address)

    lab.broker.produce(topic, parts[1])
    out, _ = _freshet(lab, "checkpoint", "save", job.path, LONG_NAME)
    saved, path = out.split()
    require(Path(path) == folder.resolve() / "savepoints" / LONG_NAME, f"it is at {path}")
    require((Path(path) / "manifest").is_file(), f"there is nothing at {path}")
    _refused(lab, ["checkpoint", "save", job.path, LONG_NAME], "already")
    _refused(lab, ["checkpoint", "save", job.path, "a/b"], '"a/b"', "name")
    _refused(lab, ["checkpoint", "restore", job.path, LONG_NAME], "stop the engine first")
    second = json.loads(_freshet(lab, "checkpoint", "save", job.path, "--json")[0])
    require(second["name"].startswith("savepoint-"), f"without a name: {second}")

    lab.broker.produce(topic, parts[2])
    _wait_read(lab, job, topic, {n: len(mine) for n, mine in records[topic].items()}, engine)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    _refused(lab, ["checkpoint", "save", job.path], "no engine answers", job.address)

    _check_list(lab, job, saved, second["id"])
    _check_inspect(lab, job, saved)
    _check_restore(lab, job, topic, saved)
    lab.run_bounded(job)
    lab.judge(job, records, expected, at_least_once=True)
    _from_checkpoint(lab, job, LONG_NAME)
    lab.judge(job, records, expected, at_least_once=True)
    _from_checkpoint(lab, job, second["id"])
    lab.judge(job, records, expected, at_least_once=True)


def _check_list(lab, job, saved, second):
    entries = _listed(lab, job, "--verify")
    ids = [entry["id"] for entry in entries]
    require(ids == sorted(ids, reverse=True), f"not newest first: {ids}")
    require(all(entry["valid"] for entry in entries), f"not all are valid: {entries}")
    names = {entry["id"]: entry["savepoint"] for entry in entries if entry["savepoint"]}
    require(names.keys() == {saved, second} and names[saved] == LONG_NAME, f"savepoints: {names}")
    named = [entry for entry in entries if entry["committed"]]
    require(
        [entry["id"] for entry in named] == ids[:1] and len(named[0]["committed"]) == PARTITIONS,
        f"the newest one is committed, and no other: {named}",
    )
    out, _ = _freshet(lab, "checkpoint", "ls", job.path)
    lines = out.splitlines()
    require(len(lines) == len(ids) + 1, f"a head and a line each:\n{out}")
    require(lines[1].startswith(ids[0]) and lines[1].endswith(f"{PARTITIONS}  ok"), out)


def _check_inspect(lab, job, saved):
    out, err = _freshet(lab, "checkpoint", "inspect", job.path, LONG_NAME)
    require(saved in out and LONG_NAME in out and "as it was written" in err, f"{out}{err}")
    shown = json.loads(_freshet(lab, "checkpoint", "inspect", job.path, saved, "--json")[0])
    require(
        shown["id"] == saved and len(shown["partitions"]) == PARTITIONS and shown["keys"] > 0,
        f"it shows {shown}",
    )


def _check_restore(lab, job, topic, saved):
    """The group's offsets are those of the savepoint, and name it."""
    shown = json.loads(_freshet(lab, "checkpoint", "inspect", job.path, saved, "--json")[0])
    out, err = _freshet(lab, "checkpoint", "restore", job.path, LONG_NAME)
    require("recent.recent_amount: kept" in out and saved in err, f"{out}{err}")
    found = committed_with_metadata(lab.broker, job.group, topic)
    wanted = {one["partition"]: (one["position"], saved) for one in shown["partitions"]}
    require(found == wanted, f"committed {found}, the savepoint has {wanted}")
    require(
        [entry["id"] for entry in _listed(lab, job) if entry["committed"]] == [saved],
        "ls does not show that it is committed",
    )


def _from_checkpoint(lab, job, name):
    _freshet(lab, "run", job.path, "--bounded", "--from-checkpoint", name)


@test("checkpoint_commands/at_once")
def at_once(lab):
    """A savepoint does not wait for the next checkpoint's time, though one be under way."""
    document = load(_PIPELINE)
    document["checkpoint"] = {"every": "1h"}
    text = lab.pipeline(dump(document))
    topic, _, parts = _parts(lab, text, 1)
    lab.broker.produce(topic, parts[0])
    job = lab.job(text, shards=2)
    engine = lab.start(job)

    def is_taken():  # not before there are partitions
        engine.expect_running()
        return command(lab.program, "checkpoint", "save", job.path, "early")[0] == 0

    wait_until(is_taken, 20, "a savepoint is made")
    _freshet(lab, "checkpoint", "save", job.path, "later", seconds=20)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    names = {entry["savepoint"] for entry in _listed(lab, job)}
    require({"early", "later"} <= names, f"savepoints: {names}")


@test("checkpoint_commands/against")
def against(lab):
    """What a changed pipeline file keeps; and what can't be gone on from at all."""
    text = lab.pipeline(_PIPELINE)
    topic, records, parts = _parts(lab, text, 1)
    lab.broker.produce(topic, parts[0])
    job = lab.job(text)
    lab.run_bounded(job)
    folder = load(job.text)["state"]["dir"]
    newest = _listed(lab, job)[0]

    changed = load(job.text)
    changed["views"]["hours"]["features"] = {
        "hour_count": {"count": True},
        "hour_amount": {"sum": "amount"},
    }
    path = job.path.with_name("changed.yaml")
    path.write_text(dump(changed))
    for target in (newest["id"], newest["path"], folder):
        out, _ = _freshet(lab, "check", path, "--against", target, "--json")
        shown = json.loads(out)
        fates = {f"{one['view']}.{one['feature']}": one["fate"] for one in shown["features"]}
        wanted = {
            "hours.hour_count": "kept",
            "hours.hour_amount": "empty",
            "hours.hour_types": "dropped",
            "recent.recent_count": "kept",
            "recent.recent_amount": "kept",
        }
        require(shown["checkpoint"] == newest["id"] and fates == wanted, f"{target}: {shown}")
    out, _ = _freshet(lab, "check", path, "--against", folder)
    require("hours.hour_types: dropped" in out, out)

    for what, change in {
        "partitioning": lambda source: source.update(partitioning="shuffle"),
        "entity": lambda source: source.update(entity="event_type"),
    }.items():
        document = load(job.text)
        change(document["sources"]["events"])
        document["redis"]["key"] = document["redis"]["key"].replace(
            "user_id", document["sources"]["events"]["entity"]
        )
        path.write_text(dump(document))
        _refused(lab, ["check", path, "--against", folder], what)
        _refused(lab, ["checkpoint", "restore", path, newest["id"]], what)
    document = load(job.text)
    document["sources"]["visits"] = document["sources"].pop("events")
    for view in document["views"].values():
        view["source"] = "visits"
    path.write_text(dump(document))
    _refused(lab, ["check", path, "--against", folder], "visits", "events", topic)


@test("checkpoint_commands/refusals")
def refusals(lab):
    """What is not there, is damaged, or was not said right."""
    text = lab.pipeline(_PIPELINE)
    topic, records, parts = _parts(lab, text, 1)
    lab.broker.produce(topic, parts[0])
    job = lab.job(text)
    folder = Path(load(job.text)["state"]["dir"])
    for words in (["ls", job.path], ["inspect", job.path, "x"], ["restore", job.path, "x"]):
        _refused(lab, ["checkpoint", *words], str(folder))
    lab.run_bounded(job)
    (newest, *_) = _listed(lab, job)
    for words in (["inspect", job.path, "nobody"], ["restore", job.path, "nobody"]):
        _refused(lab, ["checkpoint", *words], "no checkpoint nobody")
    _refused(lab, ["check", job.path, "--against", "nobody"], "no checkpoint nobody")
    _refused(lab, ["check", job.path, "--against", "/nowhere"], "/nowhere")
    _refused(lab, ["check", job.path, "--json"], "--against", status=2)
    _refused(lab, ["checkpoint"], "checkpoint restore", status=2)
    _refused(lab, ["checkpoint", "lss", job.path], "checkpoint lss", status=2)
    _refused(lab, ["checkpoint", "save"], "FILE", status=2)

    # A savepoint of the same content, then with a damaged file: nothing goes on from that one.
    copy = folder / "savepoints" / "copy"
    shutil.copytree(newest["path"], copy)
    _freshet(lab, "checkpoint", "inspect", job.path, "copy")
    table = max(copy.glob("db/*.sst"), key=lambda path: path.stat().st_size)
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.unlink()
    table.write_bytes(data)
    for words in (["checkpoint", "inspect", job.path, "copy"], ["checkpoint", "restore", job.path, "copy"]):  # fmt: skip
        _refused(lab, words, table.name, "damaged")
    _refused(lab, ["run", job.path, "--from-checkpoint", "copy"], table.name)
    require(all(entry["valid"] for entry in _listed(lab, job)), "sizes alone are right")
    faults = [entry["fault"] for entry in _listed(lab, job, "--verify") if not entry["valid"]]
    require(len(faults) == 1 and table.name in faults[0], f"ls --verify finds {faults}")

    away = job.path.with_name("away.yaml")
    document = load(job.text)
    document["kafka"]["brokers"] = "127.0.0.1:1"
    away.write_text(dump(document))
    out, err = _freshet(lab, "checkpoint", "ls", away)
    require(newest["id"] in out and "not shown" in err, f"without a broker: {out}{err}")


@test("checkpoint_commands/pages")
def pages(lab):
    """Metrics that move, and what /status, /health and /ready say."""
    text = lab.pipeline(_PIPELINE)
    topic, records, parts = _parts(lab, text, 1)
    lab.broker.produce(topic, parts[0])
    job = lab.job(text, shards=2)
    engine = lab.start(job)
    engine.wait_ready(job.address)
    ends = {number: len(mine) for number, mine in records[topic].items()}
    _wait_read(lab, job, topic, ends, engine)
    before = metrics.parse(engine.get(job.address, "/metrics")[1])
    done = "freshet_checkpoints_total"
    require(metrics.total(before, done, outcome="failed") == 0, "some have failed")
    wait_until(
        lambda: metrics.total(_page(engine, job), done, outcome="done")
        > metrics.total(before, done, outcome="done"),
        30,
        "checkpoints are counted",
    )
    after = _page(engine, job)
    for name in ("entries_total", "bytes_total", "age_seconds", "duration_seconds", "size_bytes",
                 "failures_in_row", "store_disk_bytes", "store_memory_bytes"):  # fmt: skip
        require(f"freshet_checkpoint_{name}" in after, f"freshet_checkpoint_{name} is not there")
    require(0 <= metrics.total(after, "freshet_checkpoint_age_seconds") < 30, "its age")
    require(metrics.total(after, "freshet_checkpoint_store_disk_bytes") > 0, "nothing on the disk")
    count = metrics.total(after, done, outcome="done")
    for stage, times in (("total", 1), ("commit", 1), ("freeze", 1), ("capture", 1), ("align", 2)):
        seen = metrics.total(after, "freshet_checkpoint_stage_seconds_count", stage=stage)
        require(seen >= count * times, f"{stage}: {seen} of {count} checkpoints")
    committed = metrics.total(after, "freshet_partition_committed_offset")
    require(committed == sum(ends.values()), f"committed offsets: {committed}, not {ends}")

    status = json.loads(engine.get(job.address, "/status")[1])
    shown = status["checkpoint"]
    ids = {entry["id"] for entry in _listed(lab, job)}
    require(
        shown["id"] <= max(ids)
        and shown["failures_in_row"] == 0
        and shown["last_error"] is None
        and shown["stage"] in ("idle", "capturing", "flushing", "committing"),
        f"/status: {shown}",
    )
    places = status["sources"][0]["partitions"]
    require({one["partition"]: one["committed"] for one in places} == ends, f"/status: {places}")
    require(engine.get(job.address, "/health")[0] == 200, "/health does not say 200")
    require(engine.get(job.address, "/savepoint")[0] == 404, "a savepoint that nobody wanted")
    _unhealthy(lab, job, engine)


def _page(engine, job):
    engine.expect_running()
    return metrics.parse(engine.get(job.address, "/metrics")[1])


def _unhealthy(lab, job, engine):
    """A state.dir that can't be written: /health says so before the process ends."""
    folder = Path(load(job.text)["state"]["dir"]) / "checkpoints"
    away = folder.with_name("away")
    folder.rename(away)
    folder.write_text("no folder")
    try:
        wait_until(
            lambda: engine.get(job.address, "/health")[0] in (503, 0), 30, "/health says 503"
        )
        status, page = engine.get(job.address, "/health")
        if status:  # tolerable_failures are soon used up
            require("failed in a row" in page, f"/health: {page}")
        engine.expect_exit(1, 30)
    finally:
        folder.unlink()
        away.rename(folder)
