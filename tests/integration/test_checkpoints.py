"""Restarts that nothing has gone wrong before: after SIGTERM, with other shards, over the same records
again, with a changed pipeline, from a savepoint (DESIGN 7, 9, 12).
"""

import json
import time
from dataclasses import replace

from engine import command, read_lines
from harness import dump, load, require, test
from reference import Record, compute
from reference.pipeline import read_pipeline
from story import PIPELINE, Story, no_way_back, watched


def _graceful(lab, partitioning):
    """SIGTERM in the middle and a start with other shards, again and again: nothing is lost, nothing
    is there twice, not even a dead letter."""
    story = Story(lab, partitioning, parts=8)
    job = story.job(1)
    with watched(job) as watch:
        for shards in (1, 4, 2, 3):
            job = lab.changed(job, lambda file, n=shards: file["engine"].update(shards=n))
            engine = lab.start(job)
            story.send()
            if lab.rng.random() < 0.5:
                story.read_all(job, engine)
            else:
                engine.wait_ready(job.address)
                time.sleep(lab.rng.uniform(0, 0.5))
            story.send()
            require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
        lab.run_bounded(job)
        no_way_back(watch)
    lab.judge(job, story.records, story.expected)


@test("checkpoints/graceful")
def graceful(lab):
    _graceful(lab, "aligned")


@test("checkpoints/graceful_shuffled")
def graceful_shuffled(lab):
    _graceful(lab, "shuffle")


def _twice(lab, partitioning):
    story = Story(lab, partitioning)
    job = story.job()
    story.finish(job)
    lines, topic, online = read_lines(job.rows), lab.topic_rows(job), job.redis.hashes()
    for _ in range(2):
        engine = lab.run_bounded(job, seconds=20)
        require(", 0 rows," in engine.said(), f"it says that it emits:\n{engine.messages()}")
        require(read_lines(job.rows) == lines, "it has written rows again")
        require(lab.topic_rows(job) == topic, "it has sent rows again")
        require(job.redis.hashes() == online, "it has changed Redis")
    lab.judge(job, story.records, story.expected)


@test("checkpoints/bounded_twice")
def bounded_twice(lab):
    """Run again on the same offsets, a bounded run emits nothing."""
    _twice(lab, "aligned")


@test("checkpoints/bounded_twice_shuffled")
def bounded_twice_shuffled(lab):
    _twice(lab, "shuffle")


@test("checkpoints/bounded_then_more")
def bounded_then_more(lab):
    """What the end of a bounded run made fire early fires once more if events enter it: the last
    revisions are those of one run. (What a trailing window was to expire to at the end of a run is
    no row of one that goes on, so there is none here.)"""
    file = load(PIPELINE)
    del file["views"]["trailing"]
    for partitioning in ("aligned", "shuffle"):
        story = Story(
            lab, partitioning, parts=3, text=dump(file), topic_name=f"events-{partitioning}"
        )
        job = story.job()
        with watched(job) as watch:
            for _ in range(story.parts):
                story.send()
                lab.run_bounded(job)
            no_way_back(watch)
        story.judge(job, last_only=True)


@test("checkpoints/quiet_live")
def quiet_live(lab):
    """A live run over what has been read already: Redis is right, no row comes again."""
    story = Story(lab)
    job = story.job()
    story.send_rest()
    engine = lab.start(job)
    story.read_all(job, engine)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    lines = read_lines(job.rows)
    engine = lab.start(job)
    engine.wait_ready(job.address)
    time.sleep(1)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    require(read_lines(job.rows) == lines, "rows came again")
    story.finish(job)


# A changed pipeline. The second half of the records says so in a field that only the reference
# knows of, so that what a new feature takes, the events of that half, can be told as a filter.


def _marked(story):
    """Each record with the half that it is in, as the field `half`."""
    for partition, mine in story.records[story.topic].items():
        story.records[story.topic][partition] = [
            record if not (record.value or b"").startswith(b"{") else Record(
                record.offset, record.timestamp, record.key,
                b'{"half":%d,' % (1 if place < len(mine) // 2 else 2) + record.value[1:],
            )
            for place, record in enumerate(mine)
        ]  # fmt: skip


def _change(file):
    """What the second half is run with."""
    views = file["views"]
    views["hours"]["features"].pop("hour_types")
    views["hours"]["features"]["hour_amount"] = {"sum": "amount"}
    views["recent"]["features"]["recent_amount"] = {
        "sum": "amount", "where": {"event_type": "purchase"},
    }  # fmt: skip
    del views["visits"]
    views["purchases"] = {
        "source": "events",
        "window": {"tumbling": "30m"},
        "where": {"event_type": "purchase"},
        "features": {"purchase_count": {"count": True}, "purchase_pages": {"distinct": "page"}},
    }


_KEPT = ("hour_count", "hour_pages", "recent_count", "recent_pages", "trailing_count", "ever_count")
_BEGUN = ("hour_amount", "recent_amount", "purchase_count", "purchase_pages")
_DROPPED = ("hour_types", "visit_count")


def _changed_reference(text):
    """The pipeline file of the second half, as what it means: new features take its events only."""
    file = load(text)
    _change(file)
    file["sources"]["events"]["fields"]["half"] = {"type": "int64", "optional": True}
    for name in ("hour_amount", "recent_amount"):
        (view,) = [view for view in file["views"].values() if name in view["features"]]
        feature = view["features"][name]
        feature["where"] = {**feature.get("where", {}), "half": 2}
    file["views"]["purchases"]["where"]["half"] = 2
    return dump(file)


def _place(row):
    return row["view"], row["user_id"], row["window_start"], row["window_end"], row["revision"]


def _changed_outcome(story, first):
    """Rows of the first half as the old file makes them, those that come after as the new one."""
    old = compute(story.text, first, "live")
    text = _changed_reference(story.text)
    new = compute(text, story.records, "bounded")
    had = {_place(row) for row in old.rows}
    views = {view.name: view for view in read_pipeline(story.text).views}
    views.update((view.name, view) for view in new.pipeline.views)
    pipeline = replace(new.pipeline, views=list(views.values()))
    rows = old.rows + [row for row in new.rows if _place(row) not in had]
    return replace(new, pipeline=pipeline, rows=rows)


@test("checkpoints/changed_pipeline")
def changed_pipeline(lab):
    """Features that are kept go on exactly, new and edited ones begin empty, removed ones are dropped;
    `check --against` says which."""
    story = Story(lab, parts=2)
    _marked(story)
    job = story.job(topic=False)
    engine = lab.start(job)
    story.send()
    story.read_all(job, engine)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    expected = _changed_outcome(story, story.so_far())
    (checkpoint,) = {
        text.name for text in (job.state / "checkpoints").iterdir() if _is_newest(text, job)
    }
    job = lab.changed(job, _change)
    _check_against(lab, job, job.state / "checkpoints" / checkpoint)
    story.send_rest()
    lab.run_bounded(job)
    problems = lab.row_problems(job, expected)
    require(not problems, "\n".join(problems))


def _is_newest(path, job):
    return path.name == max(entry.name for entry in (job.state / "checkpoints").iterdir())


def _check_against(lab, job, folder):
    status, out, err = command(lab.program, "check", job.path, "--against", folder)
    require(status == 0, f"check --against ended with {status}:\n{out}{err}")
    for names, words in ((_KEPT, "kept"), (_BEGUN, "empty"), (_DROPPED, "dropped")):
        for name in names:
            lines = [line for line in out.splitlines() if name in line and words in line]
            require(lines, f"it does not say that {name} is {words}:\n{out}{err}")


# Savepoints


def _checkpoint_command(lab, *words):
    status, out, err = command(lab.program, "checkpoint", *words, seconds=60)
    require(status == 0, f"freshet checkpoint {' '.join(map(str, words))}: {status}\n{out}{err}")
    return out


@test("checkpoints/savepoint")
def savepoint(lab):
    """Made of a running engine by name, kept, listed, shown, and restored after the engine has gone on:
    everything is as it was then."""
    story = Story(lab, parts=3)
    job = story.job(topic=False)
    engine = lab.start(job)
    story.send()
    story.read_all(job, engine)
    _checkpoint_command(lab, "save", job.path, "before-the-change")
    story.send()
    story.read_all(job, engine)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    listed = [json.loads(line) for line in
              _checkpoint_command(lab, "ls", job.path, "--json").splitlines()]  # fmt: skip
    require(
        [entry for entry in listed if entry.get("savepoint") == "before-the-change"],
        f"it is not listed: {listed}",
    )
    shown = _checkpoint_command(lab, "inspect", job.path, "before-the-change")
    require(story.topic in shown, f"it does not show what it holds:\n{shown}")
    story.send_rest()
    lab.run_bounded(job, arguments=("--from-checkpoint", "before-the-change"))
    problems = lab.row_problems(job, story.expected)
    problems += lab.store_problems(job, story.expected)
    require(not problems, "\n".join(problems))




def _with_another_source(document):
    """The same features once more, of a topic that is new to the pipeline."""
    (source,) = document["sources"].values()
    topic = source["topic"] + ".more"
    late = {name: source[name] + ".more" for name in ("late_topic", "dead_letter_topic")}
    document["sources"]["more"] = {**source, "topic": topic, **late}
    for name, view in list(document["views"].items()):
        features = {f"more_{feature}": what for feature, what in view["features"].items()}
        document["views"][f"more_{name}"] = {**view, "source": "more", "features": features}


@test("checkpoints/source_added")
def source_added(lab):
    """A pipeline that has a source more goes on from a checkpoint made without it: the old one where it
    was, the new one from the beginning, with the next start or when it is asked for by name."""
    story = Story(lab, parts=2)
    job = story.job(redis=False, topic=False, kafka={"properties": {"session.timeout.ms": 6000}})
    engine = lab.start(job)
    story.send()
    story.read_all(job, engine)
    require(engine.terminate() == 0, f"no clean end:\n{engine.messages()}")
    story.send_rest()
    job = lab.changed(job, _with_another_source)
    records = story.so_far()
    (old,) = records
    records[f"{old}.more"] = records[old]
    lab.broker.create_topic(f"{old}.more", len(records[old]))
    lab.broker.produce(f"{old}.more", records[old])
    time.sleep(7)  # else the group may give back what the static member had, without the new topic
    lab.run_bounded(job, arguments=("--from-checkpoint",))
    lab.run_bounded(job)
    problems = lab.row_problems(job, compute(job.text, records))
    require(not problems, "\n".join(problems))
