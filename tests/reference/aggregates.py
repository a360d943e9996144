"""The features of section 6, each a function of a list of values.

The values are those of the window's events that pass the feature's `where` and whose field is
present, in the order (event time, partition, offset). The functions say what a value *is*; that a
window is cut into panes, or a sketch is kept, is the engine's affair. Where the design grants the
engine a tolerance, the value carries it: `Approx`, `Histogram`.

A new aggregate is one function and one row of AGGREGATES.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import fsum
from typing import Callable

from .values import ABSENT, INT64_MAX, INT64_MIN, map_key, outward

DISTINCT_EXACT = 64  # values a window, beyond which HyperLogLog may estimate
DISTINCT_TOLERANCE = 0.06  # three standard errors of 2 %
HISTOGRAM_LIMIT = 64  # entries, unless the pipeline file says otherwise
HISTOGRAM_REST = "__other__"
ROUNDING = 1e-12  # of the sum of magnitudes: what the order of additions may cost

_DOUBLE_MAX = 1.7976931348623157e308


@dataclass(frozen=True)
class Approx:
    """A number that the engine may miss by `tolerance`. Two are equal if their values are."""

    value: float
    tolerance: float = field(compare=False)

    def matches(self, actual):
        return abs(actual - self.value) <= self.tolerance


@dataclass(frozen=True)
class Histogram:
    """A histogram of more than `limit` values: which keep their own entry is free, the rest is
    under __other__, and the counts add up."""

    counts: dict
    limit: int

    def matches(self, actual):
        own = {value: count for value, count in actual.items() if value != HISTOGRAM_REST}
        return (
            len(own) <= self.limit
            and sum(actual.values()) == sum(self.counts.values())
            and all(0 < count <= self.counts.get(value, 0) for value, count in own.items())
        )


def _count(values, _feature):
    return len(values)


def _sum(values, feature):
    """Exact for int64 and decimal, and saturating; a double's sum depends on its order."""
    if feature.field.kind != "double":
        total = min(max(sum(values), INT64_MIN), INT64_MAX)
        return outward(total, feature.field.kind, feature.field.digits)
    return Approx(_sum_of_doubles(values), ROUNDING * _magnitude(values))


def _mean(values, feature):
    if not values:
        return None
    if feature.field.kind == "double":
        return Approx(_sum_of_doubles(values) / len(values), ROUNDING * _magnitude(values))
    unit = 10**feature.field.digits
    mean = Fraction(sum(values), unit * len(values))
    magnitude = Fraction(sum(map(abs, values)), unit * len(values))
    return Approx(float(mean), ROUNDING * float(magnitude))


def _sum_of_doubles(values):
    try:
        return fsum(values)
    except OverflowError:  # an intermediate one: saturate as an integer sum does
        return _DOUBLE_MAX if sum(map(Fraction, values)) > 0 else -_DOUBLE_MAX


def _magnitude(values):
    return min(sum(map(abs, values)), _DOUBLE_MAX)


def _min(values, feature):
    return outward(min(values), feature.field.kind, feature.field.digits) if values else None


def _max(values, feature):
    return outward(max(values), feature.field.kind, feature.field.digits) if values else None


def _distinct(values, _feature):
    """Exact to 64 values a window, then within the sketch's error."""
    exact = len(set(values))
    return exact if exact <= DISTINCT_EXACT else Approx(exact, DISTINCT_TOLERANCE * exact)


def _histogram(values, feature):
    counts = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    kind, digits = feature.field.kind, feature.field.digits
    named = {map_key(value, kind, digits): count for value, count in counts.items()}
    limit = feature.limit or HISTOGRAM_LIMIT
    return named if len(named) <= limit else Histogram(named, limit)


# What the pipeline file calls it → its value. An empty list gives the "empty" column of section 6.
AGGREGATES: dict[str, Callable] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "min": _min,
    "max": _max,
    "distinct": _distinct,
    "histogram": _histogram,
}


def feature_inputs(view, event):
    """What an event gives to each feature of a view: a tuple of values, ABSENT where nothing.

    `{count: true}` and `{count: field}` differ only in what they take: every event, or those with
    the field.
    """
    return tuple(
        (True if feature.field is None else event.fields[feature.field.name])
        if feature.where(event.fields)
        else ABSENT
        for feature in view.features
    )


def evaluate(view, held):
    """The feature values of a window that holds these events, in order: name → value."""
    return {
        feature.name: AGGREGATES[feature.aggregate](
            [inputs[slot] for _, _, _, inputs in held if inputs[slot] is not ABSENT], feature
        )
        for slot, feature in enumerate(view.features)
    }
