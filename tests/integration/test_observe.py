"""What a run shows of itself: metrics, committed offsets, admin pages, `freshet get`, TTLs."""

import json

import metrics
from engine import command
from events import HOUR, Traffic, traffic
from harness import EXAMPLES, load, require, test
from process import wait_until
from reference import compute
from reference.values import Number


def _fraud(lab, **source):
    text = lab.pipeline((EXAMPLES / "fraud.yaml").read_text(), "aligned", source=source)
    spec = Traffic(records=10_000, seed=lab.seed, users=100, span_ms=4 * HOUR, bad=0.1)
    records = traffic(text, spec)
    lab.fill(text, records)
    return text, records


@test("observe/metrics")
def counters(lab):
    """/metrics is well-formed and counts what the reference counts."""
    text, records = _fraud(lab, idle_after="1h")
    expected = compute(text, records, "live")
    job = lab.job(text, shards=2)
    engine = lab.start(job)
    engine.wait_ready(job.address)
    lab.wait_for_redis(job, expected, engine)
    status, page = engine.get(job.address, "/metrics")
    require(status == 200, f"/metrics: {status}")
    samples = metrics.parse(page)
    wrong = [
        f"{name}{labels}: {found:g}, not {wanted}"
        for name, labels, wanted in _wanted(expected, records)
        if (found := metrics.total(samples, name, **labels)) != wanted
    ]
    require(not wrong, "\n".join(wrong))
    users = {key.rpartition(":")[2] for key in expected.redis}
    labels = {value for found in samples.values() for pair, _ in found for value in pair.values()}
    named = {user for user in users & labels if user.startswith("user_")}
    require(not named, f"entity ids in labels: {sorted(named)[:3]}")
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")


def _wanted(expected, records):
    """(metric, labels, value) of all that the reference counts."""
    for source in expected.pipeline.sources:
        read = sum(len(part) for part in records[source.topic].values())
        yield metrics.RECORDS, {"source": source.name}, read
        yield metrics.EVENTS, {"source": source.name}, expected.counts["events", source.name]
        late = expected.counts["late_events", source.name]
        yield metrics.LATE_RECORDS, {"source": source.name}, late
        if source.dedup:
            duplicates = expected.counts["duplicates", source.name]
            yield metrics.DUPLICATES, {"source": source.name}, duplicates
    for (counted, *labels), value in expected.counts.items():
        if counted == "dead_letters":
            yield metrics.DEAD_LETTERS, {"source": labels[0], "reason": labels[1]}, value
    for view in expected.pipeline.views:
        rows = [row for row in expected.rows if row["view"] == view.name]
        empty = [row for row in rows if row.get("empty")]
        yield metrics.LATE, {"view": view.name}, expected.counts["late", view.name]
        yield metrics.ROWS, {"view": view.name}, len(rows)
        yield metrics.EMPTY_ROWS, {"view": view.name}, len(empty)


@test("observe/admin_pages")
def admin_pages(lab):
    text, _ = _fraud(lab)
    job = lab.job(text)
    engine = lab.start(job)
    engine.wait_ready(job.address)
    require(engine.get(job.address, "/health")[0] == 200, "/health does not say 200")
    status, page = engine.get(job.address, "/status")
    require(status == 200, f"/status: {status}")
    require(isinstance(json.loads(page), dict), f"/status is no JSON object: {page[:200]}")
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")


@test("observe/committed_offsets")
def committed_offsets(lab):
    """They show the lag: none, once a bounded run is over; live, before it ends."""
    text, records = _fraud(lab)
    (topic,) = records
    ends = {number: len(part) for number, part in records[topic].items() if part}
    job = lab.job(text, shards=2)
    lab.run_bounded(job)
    found = lab.broker.committed(job.group, topic)
    require(ends.items() <= found.items(), f"committed {found}, the ends are {ends}")

    live = lab.job(text)
    engine = lab.start(live)
    wait_until(
        lambda: ends.items() <= lab.broker.committed(live.group, topic).items(),
        60,
        "a live run commits what it has read",
        every=0.5,
    )
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")


@test("observe/get")
def get(lab):
    """`freshet get FILE KEY --json` shows what Redis holds."""
    text, _ = _fraud(lab)
    job = lab.job(text)
    lab.run_bounded(job)
    hashes = job.redis.hashes()
    prefix, suffix = load(text)["redis"]["key"].split("{user_id}")
    keys = sorted(hashes)[:5] + sorted(hashes)[-5:]
    for key in keys:
        user = key[len(prefix) : len(key) - len(suffix)]
        if user.startswith("-"):
            continue
        status, out, err = command(lab.program, "get", job.path, user, "--json")
        require(status == 0, f"get {user!r}: exit status {status}:\n{err}")
        shown = dict(_leaves(json.loads(out, parse_int=Number, parse_float=Number)))
        for name, text_held in hashes[key].items():
            require(
                _shows(shown, name, text_held),
                f"get {user!r}: {name} is {text_held!r} in Redis, shown is {shown}",
            )


def _leaves(value):
    """(name, value) of all that is named in a document, at any depth: how `get` nests is its own
    affair, the names and values are not."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)


def _shows(shown, name, held):
    """A field under its own name, as text or as JSON. How metadata is named is left open."""
    if name not in shown:
        return name.endswith((".window_end", ".computed_at"))
    value = shown[name]
    if isinstance(value, str):
        return str(value) == held
    return value == json.loads(held, parse_int=Number, parse_float=Number)


@test("observe/ttl")
def ttl(lab):
    """Every key expires, not before its TTL and not much after."""
    text, _ = _fraud(lab)
    job = lab.job(text)
    lab.run_bounded(job)
    seconds = 25 * 3600
    left = job.redis.ttls(sorted(job.redis.hashes()))
    wrong = {key: ttl for key, ttl in left.items() if not seconds - 600 <= ttl <= seconds}
    require(not wrong, f"of {len(left)} keys: {dict(list(wrong.items())[:5])}")
