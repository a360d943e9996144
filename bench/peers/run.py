"""CPU per event of freshet, Apache Flink and Kafka Streams, doing the same work on the same topic.

    make bench-peers                                      all of it
    make bench-peers EVENTS=500000 ARGS="--examples fraud --sinks none --programs freshet flink"

Starts a broker and a redis-server and, for each example, lets all programs run over a small topic
first and compares their rows (equality.py); then writes the topic to be measured and runs each over
it in turn, to its end. docs/PERFORMANCE.md, "Peers", says how the peers are written and what is
alike and what is not. CPU is user and system time of the whole process, the kernel's for it
included:

- freshet: from the engine's creation to the last acknowledged write, by its own word;
- peers: from the first record that is decoded, when the JVM reads its own /proc/self/stat, to the
  end of the job, so that starting the JVM and the job is left out. Each goes over the topic twice
  in one JVM: `cold` is the first pass, `CPU` the second, nearer to a job that has run for days.
  Compiling goes on in it; `jit` is what of `CPU` the JVM's compiler threads took.

Peak resident memory is the kernel's word at the end of each process.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / name) for name in ("bench", "tests", "tests/integration")]

import kafka
import pipeline as common
from redis_server import RedisServer

import equality
import programs

EXAMPLES = ("user_activity", "session_features", "fraud")
FORMS = {"flink": ("window", "sliced", "chained"), "streams": ("window",)}
REDIS_FORMS = ("sliced", "chained")  # the others are compared without a sink
STREAMS_EXAMPLES = ("user_activity", "session_features")


def main():
    options = parse_options()
    equality.check_itself()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so the folder goes
    with tempfile.TemporaryDirectory(prefix="freshet-peers-", dir=options.work) as folder:
        with kafka.Broker(Path(folder) / "broker") as broker, \
             RedisServer(Path(folder) / "redis", unix=True) as redis:
            place = programs.Place(broker, redis, folder, options)
            same = [verify(place, example) for example in options.examples if options.verify_events]
            for example in options.examples:
                if options.events:
                    measure(place, example)
    sys.exit(0 if all(same) else 1)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=ROOT / "build/release", type=Path, help="build folder")
    parser.add_argument("--events", type=int, default=2_000_000, help="0: only compare the rows")
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--hours", type=int, default=3, help="of event time (default 3)")
    parser.add_argument("--verify-events", type=int, default=60_000, help="0: don't compare")
    parser.add_argument("--examples", nargs="+", default=EXAMPLES, choices=EXAMPLES)
    parser.add_argument("--programs", nargs="+", default=["freshet", "flink", "streams"],
                        choices=["freshet", "flink", "streams"])
    parser.add_argument("--forms", nargs="+", default=FORMS["flink"], choices=FORMS["flink"])
    parser.add_argument("--sinks", nargs="+", default=["none", "redis"], choices=["none", "redis"])
    parser.add_argument("--shards", nargs="+", type=int, default=[1, 2], help="of freshet")
    parser.add_argument("--parallelism", type=int, default=2, help="of the peers")
    parser.add_argument("--passes", type=int, default=2, help="of a peer over the topic")
    parser.add_argument("--heap", default="6g", help="the JVM's largest (default 6g)")
    parser.add_argument("--java", default=[], action="append", metavar="=OPTION",
                        help="one more option for the JVM")
    parser.add_argument("--every", default="30s", help="from one checkpoint to the next")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, the best one counts")
    parser.add_argument("--work", type=Path, help="folder for what is written (default /tmp)")
    parser.add_argument("--json", type=Path, help="append each run to this file")
    parser.set_defaults(keep_late=False)
    return parser.parse_args()


def fill(place, example, events, users):
    topic = programs.source_of(programs.document_of(example))["topic"]
    place.broker.create_topic(topic, common.PARTITIONS)
    made = subprocess.run(
        [place.options.build / "traffic", place.broker.address, example, str(events), str(users),
         str(place.options.hours)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return topic, made.stdout.strip()


def peers_of(options, example):
    """[(program, form)]"""
    return [
        (name, form)
        for name, forms in FORMS.items()
        for form in forms
        if name in options.programs and form in options.forms
        and (name != "streams" or example in STREAMS_EXAMPLES)
        and (form != "chained" or is_aligned(example))
    ]  # fmt: skip


def is_aligned(example):
    source = programs.source_of(programs.document_of(example))
    return source.get("partitioning") == "aligned"


def verify(place, example):
    options = place.options
    users = max(1, options.verify_events // 30)
    topic, _ = fill(place, example, options.verify_events, users)
    document = programs.document_of(example)
    file = place.folder / f"{example}.ndjson"
    programs.run_freshet(place, example, "file", 2, file)
    ours = equality.rows_of([file])
    same = True
    for name, form in peers_of(options, example):
        file = place.folder / f"{example}-{name}-{form}.ndjson"
        programs.run_peer(place, name, form, example, "file", file)
        theirs = equality.rows_of(place.folder.glob(f"{file.name}.*"))
        found = equality.differences(document, ours, theirs)
        same = same and not found
        verdict = "DIFFERENT" if found else "equal"
        print(f"{example}: freshet's {len(ours):,} rows and those of {name} {form}: {verdict}")
        for line in found:
            print(f"    {line}")
        sys.stdout.flush()
    place.broker.delete_topic(topic)
    return same


def measure(place, example):
    options = place.options
    topic, made = fill(place, example, options.events, options.users)
    print(f"\n{example}: {made}, {options.users} users, {options.hours} h, "
          f"{common.PARTITIONS} partitions; load {os.getloadavg()[0]:.1f} before")  # fmt: skip
    print(f"{'':20}{'sink':>7}{'CPU us/event':>14}{'ratio':>7}{'jit':>7}{'cold':>8}{'ratio':>7}"
          f"{'events/s':>12}{'rows':>13}{'RSS MiB':>9}")
    base = {}
    for sink in options.sinks:
        for job in jobs(place, example, sink):
            runs = [job() for _ in range(options.repeat)]
            report(min(runs, key=lambda one: one["cpu_us_per_event"]), base)
            if options.json:
                with options.json.open("a") as out:
                    for one in runs:
                        print(json.dumps({"example": example, **one}), file=out)
    place.broker.delete_topic(topic)


def jobs(place, example, sink):
    """Freshet's first: the last of them is what ratios refer to."""
    options = place.options
    found = []
    if "freshet" in options.programs:
        found += [lambda n=n: programs.run_freshet(place, example, sink, n) for n in options.shards]
    found += [
        lambda name=name, form=form: programs.run_peer(place, name, form, example, sink)
        for name, form in peers_of(options, example)
        if sink != "redis" or form in REDIS_FORMS
    ]

    def with_empty_redis(job):
        if sink == "redis":
            place.redis.client().flushall()
        return job()

    return [lambda job=job: with_empty_redis(job) for job in found]


def report(one, base):
    cpu = one["cpu_us_per_event"]
    cold = one.get("cold_us_per_event")
    if one["program"] == "freshet":
        base[one["sink"]] = cpu
    print(f"{one['program'] + ' ' + one['form']:20}{one['sink']:>7}{cpu:>14.2f}"
          f"{ratio(cpu, one, base):>7}{number(one.get('jit_us_per_event')):>7}"
          f"{number(cold):>8}{ratio(cold, one, base):>7}"
          f"{one['events_per_s']:>12,}{one['rows']:>13,}{one['rss_mib']:>9,}", flush=True)


def number(value):
    return "" if value is None else f"{value:.2f}"


def ratio(cpu, one, base):
    return f"{cpu / base[one['sink']]:.1f}" if cpu and one["sink"] in base else ""


if __name__ == "__main__":
    main()
