"""Random small pipelines over random small traffic, against the reference.

A case is a pipeline file, what its topics hold, a number of shards and a way of partitioning, all
from the seed and the case's number.
"""

from events import Traffic, traffic
from harness import test
from pipelines import random_pipeline, summary
from process import Failure
from reference import compute
from reference.pipeline import read_pipeline


def register(cases):
    for number in range(cases):
        test(f"random/{number:03}")(_run)


def _run(lab):
    rng = lab.rng
    partitioning = rng.choice(("aligned", "aligned", "shuffle"))
    text = lab.pipeline(random_pipeline(rng, partitioning))
    shards = rng.choice((1, 2, 3, 4))
    records = traffic(text, random_traffic(rng, text, keyed=partitioning == "aligned"))
    lab.fill(text, records)
    job = lab.job(text, shards)
    try:
        lab.run_bounded(job)
        lab.judge(job, records, compute(text, records))
    except Failure as failure:
        raise Failure(f"{failure}\n{shards} shards, {partitioning}:\n{summary(text)}") from None


def random_traffic(rng, text, keyed):
    longest = max(view.size or view.gap for view in read_pipeline(text).views)
    return Traffic(
        records=rng.choice((200, 200, 500, 500, 1500, 1500, 4000)),
        seed=rng.randrange(10**9),
        partitions=rng.choice((1, 2, 3, 5, 8)),
        users=rng.choice((2, 3, 10, 40)),
        span_ms=int(max(longest, 60_000) * rng.choice((0.5, 3, 20))),
        keyed=keyed,
        bad=rng.choice((0.0, 0.02, 0.2)),
    )
