"""How freshet and its peers are run over a topic, and what a run has cost."""

import json
import os
import re
import sys
import time
from pathlib import Path

import pipeline as common  # bench/pipeline.py
import yaml
from process import kill, spawn, tail

ROOT = Path(__file__).resolve().parent.parent.parent
CLASSES = ROOT / "bench/peers/target"
NO_EVENT_LATE = "10m"  # out-of-orderness at which none of traffic.c's events is late
JAVA = [
    "java",
    "-XX:+UseParallelGC",
    "-XX:-UseDynamicNumberOfCompilerThreads",  # else their CPU time goes with them
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
    *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in ("java.lang", "java.util")),
]
MAIN = {"flink": "freshet.peers.flink.FlinkPeer", "streams": "freshet.peers.streams.StreamsPeer"}


class Place:
    """Where runs take place: broker, Redis, a folder, and the options of the command line."""

    def __init__(self, broker, redis, folder, options):
        self.broker = broker
        self.redis = redis
        self.folder = Path(folder)
        self.options = options
        self.number = 0

    def next(self):
        self.number += 1
        folder = self.folder / f"run-{self.number}"
        folder.mkdir()
        return folder


def document_of(example):
    """An example as all programs run it: rows when windows close, for the peers have no others."""
    document = yaml.safe_load((ROOT / f"examples/{example}.yaml").read_text())
    for view in document["views"].values():
        view["emit"] = "on_close"
    return document


def source_of(document):
    (source,) = document["sources"].values()
    return source


def run_freshet(place, example, sink, shards, file=None):
    """One bounded run; with `file`, rows go there and no event is late."""
    document = document_of(example)
    folder = place.next()
    server = place.redis if sink == "redis" else None
    text = yaml.safe_load(
        common.pipeline(document, server, sink, shards, place.broker, folder, place.options)
    )
    if file:
        text["outputs"] = {"file": {"path": str(file)}}
        source_of(text)["out_of_orderness"] = NO_EVENT_LATE
    text["checkpoint"] = {"every": place.options.every, "min_pause": "0s"}
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(text, sort_keys=False))
    began = time.time()
    messages, rss = run([place.options.build / "freshet", "run", path, "--bounded"], folder)
    return {"program": "freshet", "form": f"{shards} shard{'s' if shards > 1 else ''}",
            **common.measured(messages, sink, shards, began), "rss_mib": rss}


def run_peer(place, peer, form, example, sink, file=None):
    document = document_of(example)
    source = source_of(document)
    folder = place.next()
    behind = NO_EVENT_LATE if file else source["out_of_orderness"]
    arguments = {
        "form": form,
        "workload": example,
        "brokers": place.broker.address,
        "topic": source["topic"],
        "group": f"peers-{folder.name}",
        "parallelism": place.options.parallelism,
        "out-of-orderness-ms": milliseconds(behind),
        "lateness-ms": milliseconds(source["allowed_lateness"]),
        "idle-after-ms": milliseconds(source.get("idle_after", "30s")),
        "checkpoint-ms": milliseconds(place.options.every),
        "checkpoints": folder / "checkpoints",
        "passes": 1 if file else place.options.passes,
        "sink": {"redis": f"redis:{place.redis.socket}", "file": f"file:{file}"}.get(sink, sink),
    }
    if peer == "streams":
        # Little data goes through hours of event time at once, and stores would forget windows
        # that were not looked for yet.
        arguments["emit-ms"] = 0 if file else 1000
        arguments["flush-topic"] = f"flush-{folder.name}"
        for number in range(1, arguments["passes"] + 1):
            place.broker.create_topic(f"{arguments['flush-topic']}-{number}", common.PARTITIONS)
    began = time.time()
    words = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
    command = [*JAVA, f"-Xmx{place.options.heap}", *place.options.java,
               "-cp", f"{CLASSES}/peers.jar:{CLASSES}/lib/*", MAIN[peer], *words]
    messages, rss = run(command, folder)
    passes = [json.loads(line) for line in re.findall(r"^\{.*\}$", messages, re.M)]
    if len(passes) != arguments["passes"]:
        sys.exit(f"{peer} says nothing of its run:\n{messages}")
    events = place.options.verify_events if file else place.options.events
    cpu = [round(one["cpu_s"] * 1e6 / events, 3) for one in passes]
    return {
        "program": peer, "form": form, "at": int(began), "sink": sink,
        "events_per_s": round(events / passes[-1]["seconds"]),
        "cold_us_per_event": cpu[0], "cpu_us_per_event": cpu[-1],
        "jit_us_per_event": round(passes[-1]["compiler_cpu_s"] * 1e6 / events, 3),
        "rows": passes[-1]["rows"], "rss_mib": rss, "passes": passes,
    }


def run(command, folder, seconds=1800):
    """Returns what it said and its peak resident set in MiB."""
    log = folder / "log"
    child = spawn(command, log)
    deadline = time.monotonic() + seconds
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            kill(child)
            sys.exit(f"not done within {seconds} s:\n{tail(log, 30)}")
        time.sleep(0.1)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command[0]} ended with {child.returncode}:\n{tail(log, 30)}")
    return log.read_text(errors="replace"), round(usage.ru_maxrss / 1024)


def milliseconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}[unit]
