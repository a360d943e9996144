"""The harness itself, without an engine: its servers, its generator, and above all that every kind
of wrong output is reported. A stand-in made of the reference takes the engine's part."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import compare
import metrics
from engine import read_rows
from events import HOUR, Traffic, traffic
from harness import EXAMPLES, Lab, dump, load, require, test
from pipelines import random_pipeline
from process import Failure
from reference import Record, compute
from reference.pipeline import read_pipeline
from reference.tolerances import Approx, Histogram, Quantile, Top
from reference.values import DecimalText, Number
from stand_in import FAULTS, json_text
from watch import Watch

STAND_IN = Path(__file__).with_name("stand_in.py")


def same(found, wanted, what):
    require(found == wanted, f"{what}: {repr(found)[:300]}, not {repr(wanted)[:300]}")


# Kafka


@test("self/kafka_records")
def kafka_records(lab):
    """What is sent is read back: timestamps and keys or none, null and empty values."""
    lab.broker.create_topic("self.records", 3)
    first = {
        0: [
            Record(0, 1000, b"k", b"v"),
            Record(1, None, None, b"x"),
            Record(2, 5, b"k", None),
            Record(3, 1_700_000_000_000, b"", b""),
        ],
        2: [Record(0, None, b"\xff", b"\x00")],
    }
    lab.broker.produce("self.records", first)
    same(lab.broker.read("self.records"), {**first, 1: []}, "what was read")
    more = [Record(4, 2000, b"k", b"more")]
    lab.broker.produce("self.records", {0: more})
    same(lab.broker.read("self.records")[0], first[0] + more, "what was read after more")
    same(lab.broker.end_offsets("self.records"), {0: 5, 1: 0, 2: 1}, "end offsets")
    expect_failure(lambda: lab.broker.produce("self.records", {0: more}), "out of turn")


@test("self/kafka_append_time")
def kafka_append_time(lab):
    lab.broker.create_topic("self.append", 1, "LogAppendTime")
    lab.broker.produce("self.append", {0: [Record(0, 1000, b"k", b"v")]})
    (record,) = lab.broker.read("self.append")[0]
    require(abs(record.timestamp / 1000 - time.time()) < 60, f"its timestamp is {record.timestamp}")


@test("self/kafka_outages")
def kafka_outages(lab):
    """A broker that was stopped or killed comes back with what it had, under the same address."""
    lab.broker.create_topic("self.outages", 1)
    records = {0: [Record(n, n + 1, b"k", b"v%d" % n) for n in range(1000)]}
    lab.broker.produce("self.outages", records)
    address = lab.broker.address
    for take_away in (lab.broker.stop, lab.broker.kill):
        take_away()
        lab.broker.start()
        same(lab.broker.read("self.outages"), records, "what was read after the outage")
    same(lab.broker.address, address, "the address")


@test("self/kafka_transactions")
def kafka_transactions(lab):
    lab.broker.create_topic("self.transactions", 1)
    batches = [(0, [(1, b"k", b"a"), (2, b"k", b"b")], True), (0, [(3, b"k", b"c")], False)]
    visible = lab.broker.produce_in_transactions("self.transactions", batches)
    same(visible, {0: [Record(0, 1, b"k", b"a"), Record(1, 2, b"k", b"b")]}, "what is visible")
    same(lab.broker.end_offsets("self.transactions"), {0: 5}, "two markers are offsets too")


@test("self/kafka_committed")
def kafka_committed(lab):
    lab.broker.create_topic("self.committed", 2)
    same(lab.broker.committed("nobody", "self.committed"), {}, "a group that committed nothing")
    same(lab.broker.partitions("self.no_such_topic"), 0, "partitions of no topic")


# Redis


@test("self/redis")
def redis_servers(lab):
    for options in ({}, {"password": "pw"}, {"users": {"u": "pw"}}, {"unix": True}):
        server = lab.redis(**options)
        server.client().hset("k", mapping={"f": "é", "g": "2"})
        same(server.hashes(), {"k": {"f": "é", "g": "2"}}, f"hashes with {options}")
        same(server.ttls(["k", "no"]), {"k": -1, "no": -2}, "TTLs")
        server.kill()
        server.start()
        same(server.hashes(), {}, "a server that was started again")


@test("self/redis_durable")
def redis_durable(lab):
    server = lab.redis(durable=True)
    server.client().hset("k", mapping={"f": "1"})
    server.kill()
    server.start()
    same(server.hashes(), {"k": {"f": "1"}}, "a durable server that was killed")
    server.kill()
    server.empty()
    server.start()
    same(server.hashes(), {}, "one that was emptied")


@test("self/watch")
def watch(lab):
    """Every step back is seen, also one that is made good at once, and none where there is none."""
    server = lab.redis(durable=True)
    with Watch(server) as reader:
        client = server.client()

        def write(end, key="k", view="v"):
            client.hset(key, mapping={"x": "1", f"{view}.window_end": str(end)})

        pipe = client.pipeline()
        for end in range(1000, 3000):
            pipe.hset("a b\\\"é", mapping={"v.window_end": str(end), "n": "7"})
        pipe.execute()
        for end in (1000, 1000, 2000):
            write(end)
        write(1500, key="other")
        write(1500, view="w")
        client.hset("k", mapping={"count": "1"})
        client.hdel("k", "x")
        same(reader.problems(), [], "nothing has gone back")
        server.kill()
        reader.forget()
        server.empty()
        server.start()
        reader.wait_until_watching()
        client = server.client()
        write(500)
        same(reader.problems(), [], "after an empty start")
        pipe = client.pipeline()
        pipe.hset("k", mapping={"v.window_end": "499"})
        pipe.hset("k", mapping={"v.window_end": "501"})
        pipe.execute()
        same(len(reader.problems()), 2, "one step back, and the line above it")


@test("self/nothing_is_left")
def nothing_is_left(lab):
    """A run that is killed takes its children with it."""
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from redis_server import RedisServer\n"
        "server = RedisServer(sys.argv[3]); server.start()\n"
        "print(server.child.pid, flush=True); sys.stdin.read()\n"
    )
    here = Path(__file__).parent
    run = subprocess.Popen(
        [sys.executable, "-c", script, here, here.parent, lab.folder / "orphan"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(run.stdout.readline())
    run.send_signal(signal.SIGKILL)
    run.communicate()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}"):
        require(time.monotonic() < deadline, "the Redis of a killed run is still there")
        time.sleep(0.05)


# Traffic


@test("self/traffic")
def traffic_covers_the_edges(lab):
    """The same seed, the same records; every reason, lateness and kind of row is met."""
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for partitioning in ("aligned", "shuffle"):
            document = load(path.read_text())
            for source in document["sources"].values():
                source["partitioning"] = partitioning
            text = dump(document)
            spec = Traffic(
                records=20_000,
                seed=lab.seed,
                users=200,
                span_ms=30 * HOUR,
                keyed=partitioning == "aligned",
            )
            records = traffic(text, spec)
            same(traffic(text, spec), records, "the same seed")
            _require_edges(path.name, text, records, compute(text, records))


def _require_edges(name, text, records, result):
    reasons = {letter["error"] for letter in result.dead_letters}
    wanted = "null_value malformed missing wrong_type bad_time empty_entity future".split()
    require(reasons >= set(wanted), f"{name}: dead letters for {reasons} only")
    # Where there is a lifetime view no event is late for all.
    for source in result.pipeline.sources:
        kinds = {view.kind for view in result.pipeline.views if view.source is source}
        late = result.counts["late_events", source.name]
        require(late > 20 or "lifetime" in kinds, f"{name}: {late} late records")
    aligned = result.pipeline.sources[0].aligned
    kinds = Counter()
    for row in result.rows:
        kinds["empty" if row.get("empty") else "full"] += 1
        kinds["again"] += row["revision"] > 0
    require(kinds["empty"] > 50 and kinds["full"] > 1000, f"{name}: {dict(kinds)}")
    require(kinds["again"] > 20 or not aligned, f"{name}: {dict(kinds)}")
    require(len(result.redis) > 100, f"{name}: {len(result.redis)} keys in Redis")
    sizes = [len(part) for partitions in records.values() for part in partitions.values()]
    require(min(sizes) == 0 or not aligned, f"{name}: no partition is empty")


@test("self/random_pipelines")
def random_pipelines(lab):
    """Every kind of feature and window comes up, and the reference can judge them all."""
    seen = Counter()
    for partitioning in ("aligned", "shuffle"):
        for _ in range(150):
            text = random_pipeline(lab.rng, partitioning)
            for source in read_pipeline(text).sources:
                seen["dedup"] += source.dedup is not None
            for view in read_pipeline(text).views:
                seen[view.kind] += 1
                seen["on_update" if view.on_update else "on_close"] += 1
                seen[view.when_empty] += 1
                seen["skip"] += view.skip_unchanged
                seen.update(feature.aggregate for feature in view.features)
                seen.update(feature.field.kind for feature in view.features if feature.field)
    rare = {kind: count for kind, count in seen.items() if count < 20}
    require(not rare and len(seen) == 32, f"rarely seen: {rare}; all: {dict(seen)}")


# Verdicts


@test("self/stand_in")
def stand_in(lab):
    """A right engine passes: the whole way from topics to the verdict, aligned and shuffled."""
    for partitioning in ("aligned", "shuffle"):
        own = Lab(f"{lab.name}/{partitioning}", lab.folder / partitioning, STAND_IN, lab.broker, 1)
        with own:
            text, records, expected = _small_run(own, partitioning)
            job = own.job(text)
            own.run_bounded(job)
            own.judge(job, records, expected)


@test("self/faults_are_reported")
def faults_are_reported(lab):
    """A wrong engine fails, whatever it does wrong."""
    lab.program = STAND_IN
    text, records, expected = _small_run(lab, "aligned")
    wanted = {
        "wrong_value": "row, differing: 1",
        "lost_row": "row, missing: 1",
        "doubled_row": "row, twice: 1",
        "wrong_hash": "Redis, differing: 1",
        "lost_key": "Redis, missing key: 1",
        "lost_letter": "dead letter, missing: 1",
        "wrong_reason": "dead letter, differing: 1",
    }
    same(wanted.keys() | {None}, FAULTS.keys(), "faults that are looked for")
    for fault, report in wanted.items():
        job = lab.job(text)
        os.environ["FRESHET_STAND_IN_FAULT"] = fault
        try:
            lab.run_bounded(job)
        finally:
            del os.environ["FRESHET_STAND_IN_FAULT"]
        expect_failure(lambda job=job: lab.judge(job, records, expected), report)


def _small_run(lab, partitioning):
    text = lab.pipeline((EXAMPLES / "fraud.yaml").read_text(), partitioning)
    keyed = partitioning == "aligned"
    records = traffic(text, Traffic(3000, lab.seed, partitions=4, users=40, keyed=keyed))
    lab.fill(text, records)
    return text, records, compute(text, records)


@test("self/compare_rows")
def compare_rows(lab):
    """Each way in which a row can be wrong."""
    text = (EXAMPLES / "user_activity.yaml").read_text()
    expected = compute(text, traffic(text, Traffic(records=2000, seed=lab.seed, users=20)))
    path = lab.folder / "rows.ndjson"
    in_order = sorted(expected.rows, key=lambda row: row["revision"])
    path.write_text("".join(json_text(row) + "\n" for row in in_order))

    def problems(change=lambda rows: None):
        rows = read_rows(path)
        change(rows)
        return "\n".join(compare.rows(expected, rows))

    same(problems(), "", "the reference's own rows")
    histogram = next(
        i for i, row in enumerate(in_order) if len(row["features"].get("event_types_1h", ())) > 1
    )
    later = next(i for i, row in enumerate(in_order) if row["revision"] == 1)

    def reverse_map(rows):
        features = rows[histogram]["features"]
        features["event_types_1h"] = dict(reversed(features["event_types_1h"].items()))

    for change, report in [
        (lambda rows: rows.pop(0), "row, missing: 1"),
        (lambda rows: rows.append(rows[0]), "row, twice: 1"),
        (lambda rows: rows[0].update(revision=Number("7")), "row, odd revisions"),
        (lambda rows: rows[0].update(window_end=Number("5")), "row, not expected: 1"),
        (lambda rows: rows[0].update(user_id="nobody"), "row, not expected: 1"),
        (lambda rows: rows[0].update(empty=True), '"empty" differs'),
        (lambda rows: rows[0].update(view="no such view"), "unknown view"),
        (lambda rows: rows[0].update(window_end="5"), "window_end is no integer"),
        (lambda rows: rows[0].update(more=1), "row, malformed"),
        (lambda rows: rows[0]["features"].clear(), "other features"),
        (reverse_map, "event_types_1h is wrong"),
        (lambda rows: rows.reverse(), "row, odd revisions"),
        (lambda rows: rows[later].update(revision=Number("2")), "row, missing"),
    ]:
        found = problems(change)
        require(report in found, f"wanted {report!r} in:\n{found}")


@test("self/compare_values")
def compare_values(lab):
    for wanted, right, wrong in [
        (3, ["3"], ["4", "3.0", '"3"', "null", "{}"]),
        (None, ["null"], ["0", '""']),
        (DecimalText("1.50"), ["1.50"], ["1.5", "1.500", '"1.50"']),
        (1.5, ["1.5", "15e-1", "1.50"], ["1.6", '"1.5"']),
        (Approx(100.0, 6.0), ["106", "94.0"], ["93", '"100"', "null"]),
        ({"a": 1, "b": 2}, ['{"a":1,"b":2}'], ['{"b":2,"a":1}', '{"a":1}', '{"a":1,"b":2.0}']),
        ({}, ["{}"], ["[]", "null"]),
        (
            Histogram({"a": 2, "b": 1, "c": 1}, 1),
            ['{"__other__":2,"a":2}', '{"__other__":4}'],
            ['{"a":2,"b":1,"c":1}', '{"__other__":1,"a":3}', '{"__other__":1,"a":2}'],
        ),
        (True, ["true"], ["1", '"true"', "false", "null"]),
        (1, ["1"], ["true"]),
        ([], ["[]"], ["null", "{}", "[null]"]),
        (["a", "é"], ['["a","é"]'], ['["é","a"]', '["a"]', '["a","é","é"]', '"a"']),
        ([DecimalText("1.50"), DecimalText("2.00")], ["[1.50,2.00]"], ["[1.5,2.00]"]),
        ([True, False], ["[true,false]"], ["[1,0]"]),
        (Quantile((200.0,), 100.0, 200.5), ["198", "200.5"], ["197.9", "201", '"200"', "null"]),
        (
            Top({"a": 5, "b": 4, "c": 1}, "string", 2, 2.0),
            ['["a","b"]', '["b","a"]'],
            ['["a","c"]', '["a"]', '["a","a"]', '["a","b","c"]', '["a",1]', "null", '"a"'],
        ),
        (Top({"7": 5, "8": 4}, "int64", None, 2.0), ["7", "8"], ['"7"', "[7]", "9", "null"]),
        (Top({"0.5": 1, "2.0": 1}, "double", None, 0), ["0.5", "2", "2.0"], ["3", "null"]),
        (Top({"x": 5}, "string", None, 0), ["x"], ["y", '"x"']),  # raw in Redis
    ]:
        for text in right:
            require(compare.text_matches(wanted, text), f"{text} does not pass for {wanted!r}")
        for text in wrong:
            require(not compare.text_matches(wanted, text), f"{text} passes for {wanted!r}")
    require(compare.text_matches("raw", "raw"), "a string in Redis is raw")


_SESSIONS = """
pipeline: sessions
kafka: {brokers: to be set, group: to be set}
sources:
  events:
    topic: events
    partitioning: aligned
    entity: user
    time: {field: at, unit: ms}
    fields: {user: string}
    allowed_lateness: 1m
views:
  s: {source: events, window: {session: 10ms}, features: {count: {count: true}}}
"""


@test("self/compare_sessions")
def compare_sessions(lab):
    """Each way in which the rows of a session that was withdrawn can be wrong."""
    values = ['{"at":%d,"user":"%s"}' % pair for pair in [(1, "u"), (20, "w"), (5, "u"), (30, "w")]]
    records = {"events": {0: [Record(n, None, None, v.encode()) for n, v in enumerate(values)]}}
    expected = compute(_SESSIONS, records)
    first, withdrawn, merged = (row for row in expected.rows if row["user"] == "u")
    rest = [row for row in expected.rows if row["user"] == "w"]

    def problems(rows, judge=None):
        lines = [json_text(row).encode() for row in [*rows, *rest]]
        return "\n".join((judge or compare.RowJudge(expected)).problems_of_lines(lines))

    same(problems([first, withdrawn, merged]), "", "the reference's own rows")
    for rows, report in [
        ([first, merged, withdrawn], "row, withdrawn too late: 1"),
        ([first, merged], "row, missing: 1"),
        ([merged], "row, missing: 2"),
        ([first, {**withdrawn, "features": {"count": 2}}, merged], "count is wrong"),
        ([first, {**withdrawn, "empty": True}, merged], '"empty" differs'),
        ([first, {**first, "revision": 1}, merged], '"retracted" differs'),
    ]:
        found = problems(rows)
        require(report in found, f"wanted {report!r} in:\n{found}")
    # Shuffled, or in parts by an idle clock: whether it was ever shown and withdrawn is free.
    loose = compare.RowJudge(expected, last_only=True)
    same(problems([first, withdrawn, merged], loose), "", "rows of a withdrawn session")
    same(problems([merged], loose), "", "rows without it")
    require("not expected" in problems([first, merged], loose), "it was not withdrawn")
    # Of a second run only what differs is looked at, and that is.
    judge = compare.RowJudge(expected)
    for _ in range(2):
        same(problems([first, withdrawn, merged], judge), "", "the same rows again")
    wrong = {**merged, "features": {"count": 3}}
    require("count is wrong" in problems([first, withdrawn, wrong], judge), "a wrong row")
    require("missing" in problems([first, withdrawn], judge), "a lost row")


@test("self/compare_letters")
def compare_letters(lab):
    """Each way in which a dead letter can be wrong."""
    wanted = [{"topic": "t", "partition": 0, "offset": 0, "error": "malformed", "field": None}]
    source = {0: [Record(0, 7, b"k", b"x\xff")]}
    good = (
        '{"raw":"eP8=","encoding":"base64","error":"malformed","ts":7,'
        '"topic":"t","partition":0,"offset":0}'
    )

    def problems(*letters, key=b"k", original=source):
        records = [Record(n, 1, key, letter.encode()) for n, letter in enumerate(letters)]
        report = compare._Report("letter")
        compare._compare_letters(wanted, {0: records}, original, False, report)
        return "\n".join(report.lines())

    same(problems(good), "", "a right dead letter")
    for letters, report in [
        ([], "missing: 1"),
        ([good, good], "twice: 1"),
        (["{"], "no JSON object"),
        ([good.replace("malformed", "missing")], "error is 'missing'"),
        ([good.replace(":7", ":8")], "ts is 8"),
        ([good.replace("eP8=", "eA==")], "raw does not show"),
        ([good.replace('"offset":0', '"offset":1')], "not expected: 1"),
        ([good.replace('"topic"', '"field":"x","topic"')], "field is 'x'"),
    ]:
        found = problems(*letters)
        require(report in found, f"wanted {report!r} in:\n{found}")
    require("its key is" in problems(good, key=None), "another key is not reported")
    plain = {0: [Record(0, 7, b"k", b"x")]}
    require("raw does not" in problems(good.replace("eP8=", "eA=="), original=plain),
            "base64 of what is UTF-8 is not reported")  # fmt: skip


@test("self/rows_file")
def rows_file(lab):
    path = lab.folder / "rows.ndjson"
    same(read_rows(path), [], "a file that is not there")
    path.write_text('{"a":1}\n{"a":2')
    expect_failure(lambda: read_rows(path), "middle of a line")
    path.write_text('{"a":1}\n{"a":2\n')
    expect_failure(lambda: read_rows(path), ":2: not JSON")


@test("self/metrics")
def metrics_reader(lab):
    good = (
        "# HELP a what it counts\n# TYPE a counter\n"
        'a{x="1",y="q\\"z"} 2\na{x="2"} 3e1\n'
        "# TYPE h histogram\n"
        'h_bucket{le="+Inf"} 4\nh_sum 1.5\nh_count 4\n'
    )
    samples = metrics.parse(good)
    same(metrics.total(samples, "a"), 32, "the sum of a")
    same(metrics.total(samples, "a", x="2"), 30, "a with x=2")
    for bad, report in [
        ("a 1\n", "without TYPE"),
        ("# TYPE a counter\na 1\na 2\n", "second sample"),
        ("# TYPE a counter\n# TYPE a counter\n", "second TYPE"),
        ("# TYPE a counter\na{x=1} 1\n", "bad labels"),
        ("# TYPE a counter\na one\n", "no number"),
        ("# TYPE a counter\na 1", "no end"),
        ("# TYPE a countr\n", "neither"),
    ]:
        expect_failure(lambda bad=bad: metrics.parse(bad), report)


def expect_failure(action, wanted):
    try:
        action()
    except Failure as failure:
        require(wanted in str(failure), f"wanted {wanted!r} in:\n{failure}")
    else:
        raise Failure(f"nothing failed; wanted {wanted!r}")
