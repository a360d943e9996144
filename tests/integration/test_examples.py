"""The pipelines of examples/, over hours of traffic: bounded runs against the reference.

Each example runs aligned and shuffled, with 1, 2 and 4 shards, over the same topics. Aligned, the
rows of on_close views are the same bytes whatever the number of shards, and when it runs again.
"""

import compare
from engine import read_lines
from events import HOUR, Traffic, traffic
from harness import EXAMPLES, load, require, test
from reference import compute
from reference.pipeline import read_pipeline

SHARDS = (1, 2, 4, 2)

# records (somewhat fewer are sent: some partitions end early), users, hours
SCALES = {"user_activity": (220_000, 1500, 60)}
OTHER_SCALE = (60_000, 300, 12)


def register():
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for partitioning in ("aligned", "shuffle"):
            test(f"examples/{path.stem}/{partitioning}")(_test_of(path, partitioning))


def _test_of(path, partitioning):
    def run(lab):
        text = _pipeline(lab, path.read_text(), partitioning)
        records = traffic(text, _traffic(path.stem, text, partitioning, lab.seed))
        lab.fill(text, records)
        expected = compute(text, records)
        judge = compare.RowJudge(expected)
        right_lines = None
        for shards in SHARDS:
            job = lab.job(text, shards)
            lab.run_bounded(job)
            lines = read_lines(job.rows)
            problems = lab.store_problems(job, expected)
            problems += lab.letter_problems(job, records, expected)
            problems += judge.problems_of_lines(lines)
            if partitioning == "aligned" and right_lines is not None:
                problems += _byte_problems(expected, lines, right_lines)
            require(not problems, f"{shards} shards:\n" + "\n".join(problems))
            right_lines = lines

    return run


def _pipeline(lab, text, partitioning):
    """Shuffled, when a lifetime state begins anew depends on how partitions interleave: with a long
    TTL none does."""
    document = load(text)
    windows = [view["window"] for view in document["views"].values()]
    if partitioning == "shuffle" and "lifetime" in windows:
        return lab.pipeline(text, partitioning, state={**document.get("state", {}), "ttl": "1000h"})
    return lab.pipeline(text, partitioning)


def _traffic(example, text, partitioning, seed):
    count, users, hours = SCALES.get(example, OTHER_SCALE)
    longest = max(view.size or view.gap for view in read_pipeline(text).views)
    return Traffic(
        records=count,
        seed=seed,
        users=users,
        span_ms=max(hours * HOUR, longest * 5 // 4),
        keyed=partitioning == "aligned",
    )


def _byte_problems(expected, lines, right_lines):
    """Rows of on_close views that are not the same bytes as in the run before."""
    # A quote within a string is escaped, so this is found in no key.
    marks = [b'"view":"%s"' % view.name.encode() for view in expected.pipeline.views
             if not view.on_update]  # fmt: skip
    differing = [
        line
        for line in sorted(set(lines) ^ set(right_lines))
        if any(mark in line for mark in marks)
    ]
    if not differing:
        return []
    return ["rows are not the same bytes:", *(f"    {line!r}" for line in differing[:6])]


register()
