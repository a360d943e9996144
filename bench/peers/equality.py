"""Whether two programs say the same of the same events: the last row of each view, key and window.

Left out are rows that only freshet has: `empty` ones, by which idle users decay, and sessions that
were withdrawn. Values must be equal to the last digit, but for
- `distinct`: freshet estimates beyond 64 values (standard error at most 2 %), the peers count:
  there up to 10 % apart;
- `mean` of amounts: to twelve digits, as the order of adding differs.
"""

import json
import math
from pathlib import Path

EXACT_DISTINCT = 64
DISTINCT_TOLERANCE = 0.1
MEAN_TOLERANCE = 1e-12
SHOWN = 5


def rows_of(paths):
    rows = {}
    for path in paths:
        with Path(path).open() as lines:
            for line in lines:
                row = json.loads(line)
                key = (row["view"], row["user_id"], row["window_start"], row["window_end"])
                if row.get("empty") or row.get("retracted"):
                    rows.pop(key, None)
                else:
                    rows[key] = row["features"]
    return rows


def differences(document, ours, theirs):
    """Texts, each of one difference; of many only the first few and how many there are."""
    kinds = {
        name: next(iter(feature))
        for view in document["views"].values()
        for name, feature in view["features"].items()
    }
    found = []
    for key in ours.keys() | theirs.keys():
        mine, other = ours.get(key), theirs.get(key)
        if mine is None or other is None:
            found.append(f"{key}: only in {'theirs' if mine is None else 'ours'}")
        elif mine.keys() != other.keys():
            found.append(f"{key}: {sorted(mine)} and {sorted(other)}")
        else:
            found += [
                f"{key}: {name} is {mine[name]} and {other[name]}"
                for name in mine
                if not equal(kinds[name], mine[name], other[name])
            ]
    found.sort()
    return found[:SHOWN] + ([f"… {len(found)} in all"] if len(found) > SHOWN else [])


def equal(kind, mine, other):
    if kind == "distinct" and other > EXACT_DISTINCT:
        return abs(mine - other) <= other * DISTINCT_TOLERANCE
    if kind == "mean" and mine is not None and other is not None:
        return math.isclose(mine, other, rel_tol=MEAN_TOLERANCE)
    return mine == other


def check_itself():
    """Every kind of difference is noticed, and nothing that is none."""
    document = {"views": {"v": {"features": {
        "n": {"count": True}, "d": {"distinct": "f"}, "m": {"mean": "f"},
        "l": {"last": "f", "n": 2},
    }}}}  # fmt: skip
    key = ("v", "u", 0, 60_000)
    row = {"n": 200, "d": 100, "m": 0.3, "l": ["a", "b"]}
    same = {**row, "d": 104, "m": 0.1 + 0.2}
    wrong = [
        {**row, "n": 201}, {**row, "d": 112}, {**row, "m": 0.3001}, {**row, "m": None},
        {**row, "l": ["b", "a"]}, {"n": 200},
    ]  # fmt: skip
    pairs = [({key: row}, {}), ({}, {key: row}), *(({key: row}, {key: other}) for other in wrong)]
    pairs.append(({key: {**row, "d": 63}}, {key: {**row, "d": 64}}))
    if differences(document, {key: row}, {key: same}):
        raise AssertionError("rows that are equal are called different")
    for ours, theirs in pairs:
        if not differences(document, ours, theirs):
            raise AssertionError(f"{ours} and {theirs} are called equal")
