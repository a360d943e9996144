"""What the online store shows in the end (sections 7 and 8).

Per view the newest window only: rows reach the store in the order of their instants, and one of an
older window than that shown does not. Rows that only the end of a bounded run made fire are no part
of it. `computed_at` is a wall clock's and is left out.
"""

import json

from .tolerances import Approx, Histogram, Quantile, Top
from .values import DecimalText


def shown_row(view, rows):
    """The row that the store shows last, of one key's rows in order; None if it shows none."""
    shown = None
    newest = None  # the end of the newest row, written or (with unchanged: skip) not
    for row in rows:
        if not row.reached or row.retracted:  # a withdrawn row shows what was there already
            continue
        if row.empty and view.when_empty == "keep":
            continue  # writes nothing, as though there were no such row
        if shown is not None and row.end < newest:
            continue  # an older window, fired again
        newest = row.end
        if shown is not None:
            if view.skip_unchanged and _looks_equal(view, row, shown):
                continue  # not written again: window_end tells since when the values hold
        shown = row
    return shown


def _looks_equal(view, row, shown):
    # An empty row under `delete` takes the fields away, so it equals nothing but another such row.
    if view.when_empty == "delete" and row.empty != shown.empty:
        return False
    return row.values == shown.values


def redis_key(view, key, online):
    return online.key.replace("{" + view.source.entity + "}", key)


def hash_fields(view, row, metadata):
    """The fields of one view's row: values as in rows; null is no field."""
    fields = {}
    if not (row.empty and view.when_empty == "delete"):
        fields = {name: value for name, value in row.values.items() if value is not None}
    if metadata:
        fields[f"{view.name}.window_end"] = row.end
    return fields


def as_text(value):
    """A value as a field of a hash: numbers decimal, strings raw, all else JSON. Where the engine
    has a tolerance this is only the value that it would have without."""
    value = plain(value)
    if isinstance(value, str):  # a decimal's digits, too
        return value
    return as_json(value)


def as_json(value):
    """JSON text: map keys sorted bytewise, decimals with all of their digits."""
    value = plain(value)
    if isinstance(value, dict):
        names = sorted(value, key=str.encode)
        return "{" + ",".join(f"{as_json(name)}:{as_json(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    if isinstance(value, DecimalText):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def plain(value):
    """A value without its tolerance."""
    if isinstance(value, Histogram):
        return value.counts
    if isinstance(value, Top):
        return value.plain
    return value.value if isinstance(value, (Approx, Quantile)) else value
