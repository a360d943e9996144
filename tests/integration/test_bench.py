"""`freshet bench` and `freshet plan`: a report that agrees with itself, and nothing left behind. What
figures come out is never a matter of these tests."""

import base64
import html.parser
import json
import math
import signal
import time
import zlib

from engine import command
from events import HOUR, Traffic, traffic
from harness import EXAMPLES, dump, load, require, test
from process import free_port, spawn, stop, tail, wait_until

BENCH_SECONDS = 420  # on a busy machine, and with sanitizers
OUTPUTS = {"report.html", "report.json", "latency.hlog", "runs.ndjson"}
SMALL = ("--events", 20_000, "--users", 400, "--seconds", 1)
PARTS = ("send_appended", "appended_fetched", "fetched_redis", "visible")


def _pipeline(lab, name="fraud", **sections):
    """An example as a user has it: (path, Redis with a key of theirs in it)."""
    text = lab.pipeline((EXAMPLES / f"{name}.yaml").read_text())
    job = lab.job(text, **sections)
    job.redis.client().set("mine", "untouched")
    return job


def _there(lab, job):
    """All that a bench might leave on the broker and in Redis."""
    topics = set(lab.broker.admin.list_topics(timeout=10).topics) - {"__consumer_offsets"}
    groups = {group.id for group in lab.broker.admin.list_groups(timeout=10)}
    return topics, groups, sorted(job.redis.client().scan_iter())


def _bench(lab, job, *arguments, out="out"):
    folder = lab.folder / out
    status, said, log = command(
        lab.program, "bench", job.path, "--out", folder, *arguments, seconds=BENCH_SECONDS
    )
    require(status == 0, f"exit status {status}:\n{log}")
    return folder, said, json.loads((folder / "report.json").read_text())


@test("bench/quick")
def quick(lab):
    """All steps, in short, against the broker and a Redis of the pipeline file."""
    job = _pipeline(lab)
    before = _there(lab, job)
    folder, said, report = _bench(lab, job, "--quick", *SMALL, "--json")
    require(json.loads(said) == report, "--json does not print the report")
    require(_there(lab, job) == before, f"left behind: {before} became {_there(lab, job)}")
    found = {path.name for path in folder.iterdir()}
    require(found == OUTPUTS, f"files: {sorted(found)}")
    require(not job.state.exists(), "the user's state.dir was made")

    _throughput_agrees(report, {"none", "file", "redis"}, 20_000, 400)
    _latency_agrees(report)
    recovery = report["recovery"]
    require(recovery["measured"] and recovery["keys"] > 0, f"recovery: {recovery}")
    require(0 < recovery["reading_s"] <= recovery["first_s"] <= recovery["ready_s"],
            f"recovery: {recovery}")  # fmt: skip
    require(sum(one["done"] for one in report["checkpoints"]) >= 0, "no checkpoints")
    for name in ("overload", "slow_redis"):
        stress = report[name]
        require(stress["measured"] and stress["produced"] == stress["records"] > 0,
                f"{name} has lost events: {stress['produced']} of {stress['records']}")  # fmt: skip
        times = [moment["at_s"] for moment in stress["moments"]]
        require(times == sorted(times) and len(times) > 3, f"{name}: moments {times}")
    require(report["slow_redis"]["fetched_redis"]["max_ms"] >= 50, "Redis was not slow")
    _page_is_whole((folder / "report.html").read_text(), report)
    _log_is_whole((folder / "latency.hlog").read_text(), report)
    _history_is_whole((folder / "runs.ndjson").read_text(), report)
    _plan_agrees(lab, job, folder / "report.json", report)


def _throughput_agrees(report, sinks, events, users):
    runs = report["throughput"]
    require({run["sink"] for run in runs if not run["live"]} == sinks, f"runs: {runs}")
    require([run["sink"] for run in runs if run["live"]] == ["redis"] * ("redis" in sinks),
            "there is one live run")  # fmt: skip
    for run in runs:
        require(run["produced"] == run["records"] == events, f"not all was read: {run}")
        require(run["events"] + run["dead_letters"] == run["records"], f"uncounted: {run}")
        require(run["events"] == events, f"dead letters: {run}")
        require(0 < run["keys"] <= users, f"keys: {run}")
        near(run["events_per_s"] * run["seconds"], run["records"], 1)
        near(run["rows_per_s"] * run["seconds"], run["rows"], 1)
        stages = sum(run["stages"].values())
        require(stages >= run["threads"]["shards_us"] * 0.99, f"stages lack something: {run}")
        require(run["rss_peak_bytes"] >= run["arena_bytes"] >= run["state_bytes"] > 0,
                f"memory: {run}")  # fmt: skip
        require((run["redis_commands"] > 0) == (run["sink"] == "redis"), f"commands: {run}")
    for view in report["views"]:
        require(0 < view["share"] <= 1 and view["rows_per_event"] > 0, f"view: {view}")
    rows = sum(view["rows_per_event"] for view in report["views"])
    final = [run for run in runs if run["sink"] == report["costs"]["sink"] and not run["live"]]
    near(rows, final[-1]["rows"] / final[-1]["records"], 1e-3)


def near(got, wanted, part):
    """Within this part of what is wanted: counts at the ends of a run may be a poll apart."""
    require(math.isclose(got, wanted, rel_tol=part), f"{got}, not {wanted}")


def _latency_agrees(report):
    latency = report["latency"]
    require(latency["append_time"] and latency["probed"], f"latency: {latency}")
    rates = latency["rates"]
    require([rate["percent"] for rate in rates] == [25, 50, 100], "rates")
    for rate in rates:
        near(rate["wanted_per_s"], latency["saturation_per_s"] * rate["percent"] / 100, 1e-9)
        for part in PARTS:
            _spread_is_sound(part, rate[part])
        require(rate["send_appended"]["count"] > 0, f"nothing was sent: {rate}")
        require(rate["fetched_redis"]["count"] > 0, f"nothing was written: {rate}")
        require(rate["visible"]["count"] + rate["invisible"] > 0, f"no probe: {rate}")
    met = [rate["wanted_per_s"] for rate in rates if rate["meets"]]
    require(latency["knee_per_s"] == (max(met) if met else None), f"knee {latency['knee_per_s']}")


def _spread_is_sound(name, spread):
    values = [spread[key] for key in ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")]
    if not spread["count"]:
        require(values == [None] * 5, f"{name}: values of nothing")
        return
    require(values == sorted(values), f"{name}: percentiles fall: {values}")
    require(0 <= spread["mean_ms"] <= spread["max_ms"] * 1.02, f"{name}: mean {spread}")


class _Page(html.parser.HTMLParser):
    """Elements that are open, and whatever might fetch something."""

    VOID = {"meta", "link", "br", "img", "input", "hr"}
    DRAWN = {"line", "circle", "rect", "polyline"}  # written as <…/>

    def __init__(self):
        super().__init__()
        self.open, self.found, self.outside = [], [], []

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)
        self.outside += [name for name, _ in attributes if name in ("src", "href", "xlink:href")]
        if tag in ("script", "link", "img", "iframe", "object"):
            self.outside.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        require(self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}")
        self.open.pop()


def _page_is_whole(text, report):
    page = _Page()
    page.feed(text)
    page.close()
    require(not page.open, f"not closed: {page.open}")
    require(not page.outside, f"refers to something outside: {page.outside}")
    require("url(" not in text and "@import" not in text,
            "the style refers to something outside")  # fmt: skip
    require(page.found.count("svg") >= 8, f"{page.found.count('svg')} plots")
    require(report["pipeline"] in text and report["host"]["kernel"] in text, "names are missing")


def _log_is_whole(text, report):
    """HdrHistogram's log: each histogram unpacks, an interval a rate and part that has values."""
    lines = [line for line in text.splitlines() if line.startswith("Tag=")]
    wanted = {
        f"Tag={part}@{rate['wanted_per_s']:.0f}"
        for rate in report["latency"]["rates"]
        for part in PARTS
        if rate[part]["count"]
    }
    require({line.split(",")[0] for line in lines} == wanted, f"tags, not {sorted(wanted)}")
    for line in lines:
        packed = base64.b64decode(line.split(",")[4])
        plain = zlib.decompress(packed[8:])
        require(packed[:4].hex() == "1c849314" and plain[:4].hex() == "1c849313", "cookies")
        require(int.from_bytes(plain[4:8], "big") == len(plain) - 40, "length of the counts")


def _history_is_whole(text, report):
    lines = [json.loads(line) for line in text.splitlines()]
    require(all(line["pipeline"] == report["pipeline"] for line in lines), "pipelines")
    rates = [line["run"] for line in lines if line["kind"] == "latency"]
    require(rates == report["latency"]["rates"], "the history has other rates than the report")
    runs = [line["run"] for line in lines if line["kind"] == "throughput"]
    require(all(run in runs for run in report["throughput"]), "a run is not in the history")


def _plan_agrees(lab, job, path, report):
    """The arithmetic, from the report by hand."""
    users, rate, headroom = 3_000_000, 250_000, 0.5
    asked = ("plan", job.path, "--users", users, "--rate", rate, "--report", path)
    status, said, log = command(lab.program, *asked, "--headroom", 50, "--cores", 4, "--json")
    require(status == 0, f"plan: exit status {status}:\n{log}")
    plan = json.loads(said)
    lines = {line["name"]: line for line in plan["lines"]}
    require(all(line["formula"] and line["unit"] and line["source"] for line in plan["lines"]),
            "a line lacks formula, unit or source")  # fmt: skip
    rows = sum(_rows(view, users, rate) for view in report["views"])
    near(lines["rows"]["value"], rows, 1e-9)
    costs = report["costs"]
    cpu = costs["event_us"] + costs["row_us"] * rows / rate
    near(lines["CPU per event"]["value"], cpu, 1e-9)
    near(lines["cores by CPU"]["value"], rate * cpu * 1e-6 / (1 - headroom), 1e-9)
    require(plan["cores"] / plan["hosts"] <= 4, f"{plan['cores']} cores on {plan['hosts']} hosts")
    near(plan["network_in_bytes_per_s"], rate * (report["setup"]["record_bytes"] + 40), 1e-9)
    status, said, log = command(lab.program, *asked)
    require(status == 0 and "hosts" in said and "measured" in said, f"plan:\n{said}{log}")


def _rows(view, users, rate):
    entering = rate * view["share"]
    if view["on_update"]:
        return rate * view["rows_per_event"]
    if view["window"] == "session":
        return entering * math.exp(-entering * view["size_s"] / users)
    return users * (1 - math.exp(-entering * view["size_s"] / users)) / view["slide_s"]


@test("bench/sample")
def sample(lab):
    """The user's own records, multiplied; another Kafka and Redis than the file's; two shards."""
    job = _pipeline(lab, "user_activity")
    text = job.text
    records = traffic(text, Traffic(2000, lab.seed, users=20, span_ms=HOUR, bad=0.05))
    path = lab.folder / "sample.ndjson"
    (parts,) = records.values()
    # As a consumer writes them down, a partition after the other.
    lines = [record.value for part in parts.values() for record in part if record.value]
    path.write_bytes(b"\n".join(line for line in lines if b"\n" not in line))
    document = load(text)
    brokers, url = document["kafka"]["brokers"], document["redis"]["url"]
    document["kafka"]["brokers"] = "127.0.0.1:1"
    document["redis"]["url"] = "redis://127.0.0.1:1"
    job.path.write_text(dump(document))
    before = _there(lab, job)
    _, said, report = _bench(
        lab, job, *SMALL, "--quick", "--steps", "throughput", "--sinks", "none,redis",
        "--sample", path, "--brokers", brokers, "--redis", url, "--shards", "1,2",
    )  # fmt: skip
    require(_there(lab, job) == before, "something was left behind")
    require("throughput" in said and "latency" not in said, f"it says:\n{said}")
    require([run["shards"] for run in report["throughput"]] == [1, 2, 1, 2, 2], "shards")
    for run in report["throughput"]:
        require(run["produced"] == run["records"] == run["events"] == 20_000, f"run: {run}")
        require(300 <= run["keys"] <= 400, f"20 keys were multiplied to {run['keys']}")
    require(not report["latency"]["rates"] and not report["recovery"]["measured"], "other steps")


@test("bench/embedded")
def embedded(lab):
    """Nothing of the user's is needed. `plan` without a report makes one."""
    job = _pipeline(lab)
    document = load(job.text)
    document["kafka"]["brokers"] = "127.0.0.1:1"
    document["redis"]["url"] = "redis://127.0.0.1:1"
    job.path.write_text(dump(document))
    _, _, report = _bench(
        lab, job, *SMALL, "--quick", "--embedded", "--steps", "throughput,latency",
        "--sinks", "redis", "--rates", "20,40",
    )  # fmt: skip
    _throughput_agrees(report, {"redis"}, 20_000, 400)
    require(len(report["latency"]["rates"]) == 2, "rates")
    require(not report["latency"]["append_time"], "the mock broker has append times")
    require(report["setup"]["embedded"], "it does not say that all was embedded")
    status, said, log = command(
        lab.program, "plan", job.path, "--users", 1000, "--rate", 100, "--json",
        seconds=BENCH_SECONDS,
    )  # fmt: skip
    require(status == 0, f"plan: exit status {status}:\n{log}")
    require("no --report" in log and json.loads(said)["quick"], f"plan says:\n{log}")
    require(json.loads(said)["hosts"] == 1, f"100 events/s need one host:\n{said}")


@test("bench/mistakes")
def mistakes(lab):
    job = _pipeline(lab)
    out = ("--out", lab.folder / "out")
    nothing = lab.folder / "nothing.ndjson"
    nothing.write_text('{"no": "event"}\n')
    for wanted, part, *arguments in (
        (2, "--users", "bench", job.path, "--users", "0"),
        (2, "--sinks", "bench", job.path, "--sinks", "none,tape"),
        (2, "--steps", "bench", job.path, "--steps", "all"),
        (2, "rise", "bench", job.path, "--rates", "50,20"),
        (2, "--slo", "bench", job.path, "--slo", "1ms,2"),
        (2, "excludes", "bench", job.path, "--embedded", "--redis", "redis://localhost"),
        (2, "unknown option", "bench", job.path, "--fast"),
        (78, "line", "bench", lab.folder / "no.yaml"),
        (1, "no such file", "bench", job.path, *out, "--sample", lab.folder / "no.ndjson"),
        (1, "no line is an event", "bench", job.path, *out, "--sample", nothing),
        (1, "--brokers", "bench", job.path, *out, "--brokers", f"127.0.0.1:{free_port()}"),
        (1, "--redis", "bench", job.path, *out, "--redis", f"redis://127.0.0.1:{free_port()}"),
        (2, "--users", "plan", job.path, "--rate", "5"),
        (2, "--headroom", "plan", job.path, "--rate", "5", "--users", "5", "--headroom", "99"),
        (1, "no such file", "plan", job.path, "--rate", "5", "--users", "5", "--report", "no.json"),
        (1, "its kind", "plan", job.path, "--rate", "5", "--users", "5", "--report", nothing),
    ):
        status, said, log = command(lab.program, *arguments, seconds=60)
        said_so = part.lower() in log.lower() or wanted == 78
        require(status == wanted and said_so and not said,
                f"{arguments}: exit status {status}, not {wanted}:\n{said}{log}")  # fmt: skip
    found = {path.name for path in (lab.folder / "out").iterdir()}
    require(not found, f"left behind: {sorted(found)}")


@test("bench/interrupted")
def interrupted(lab):
    """Ctrl-C: it clears up all the same."""
    job = _pipeline(lab)
    before = _there(lab, job)
    log = lab.folder / "bench.log"
    arguments = ["bench", job.path, "--out", lab.folder / "out", "--steps", "latency"]
    child = spawn([str(part) for part in (lab.program, *arguments, *SMALL)], log)
    try:
        wait_until(lambda: "latency:" in log.read_text(), 120, "the load runs")
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        status = child.wait(120)
    finally:
        stop(child)
    require(status == 1, f"exit status {status}:\n{tail(log)}")
    require("interrupted" in log.read_text(), f"it says:\n{tail(log)}")
    require(_there(lab, job) == before, f"left behind: {_there(lab, job)}")
    found = {path.name for path in (lab.folder / "out").iterdir()}
    require(not found, f"left behind: {sorted(found)}")
