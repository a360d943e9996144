"""The features of section 6, each a function of a list of values.

The values are those of the window's events that pass the feature's `where` and whose field is
present, in the order (event time, partition, offset). The functions say what a value *is*; that a
window is cut into panes, or a sketch is kept, is the engine's affair. Where the design grants the
engine a tolerance, the value carries it: see tolerances.py.

A new aggregate is one function and one row of AGGREGATES.
"""

from bisect import bisect_left, insort
from collections import Counter
from fractions import Fraction
from math import floor, fsum, isqrt
from operator import attrgetter
from typing import Callable

from .tolerances import TOP_COUNTERS, Approx, Histogram, Quantile, Top
from .values import ABSENT, INT64_MAX, INT64_MIN, map_key, outward

DISTINCT_EXACT = 64  # values a window, beyond which HyperLogLog may estimate
DISTINCT_TOLERANCE = 0.06  # three standard errors of 2 %
HISTOGRAM_LIMIT = 64  # entries, unless the pipeline file says otherwise
LIST_LIMIT = 1000  # values, unless the pipeline file says otherwise
ROUNDING = 1e-12  # of the sum of magnitudes: what the order of additions may cost
SPREAD_ROUNDING = 1e-9  # of a standard deviation

_DOUBLE_MAX = 1.7976931348623157e308


def _outward(value, feature):
    return outward(value, feature.field.kind, feature.field.digits)


def _key(value, feature):
    return map_key(value, feature.field.kind, feature.field.digits)


def _count(values, _feature):
    return len(values)


def _sum(values, feature):
    """Exact for int64 and decimal, and saturating; a double's sum depends on its order."""
    if feature.field.kind != "double":
        return _outward(min(max(sum(values), INT64_MIN), INT64_MAX), feature)
    return Approx(_sum_of_doubles(values), ROUNDING * _magnitude(values))


def _mean(values, feature):
    if not values:
        return None
    if feature.field.kind == "double":
        return Approx(_sum_of_doubles(values) / len(values), ROUNDING * _magnitude(values))
    count = 10**feature.field.digits * len(values)
    # The quotient of two integers is the double nearest to it.
    return Approx(sum(values) / count, ROUNDING * (sum(map(abs, values)) / count))


def _sum_of_doubles(values):
    try:
        return fsum(values)
    except OverflowError:  # an intermediate one: saturate as an integer sum does
        return _DOUBLE_MAX if sum(map(Fraction, values)) > 0 else -_DOUBLE_MAX


def _magnitude(values):
    return min(sum(map(abs, values)), _DOUBLE_MAX)


def _deviation(values, feature):
    """(variance, standard deviation, what rounding may cost the latter); None without a value.

    Exact: n * sum of squares - square of the sum, over n * (n or n - 1), in integers.
    """
    count = len(values)
    over = count - 1 if feature.sample else count
    if over < 1:
        return None
    integers, unit = _as_integers(values, feature.field)
    spread = count * sum(x * x for x in integers) - sum(integers) ** 2
    variance = Fraction(spread, count * over * unit * unit)
    deviation = _root(variance)
    magnitude = max(map(abs, integers)) / unit
    return _double(variance), deviation, SPREAD_ROUNDING * deviation + ROUNDING * magnitude


def _as_integers(values, field):
    """Integers and what to divide them by: the same values, exactly."""
    if field.kind != "double":
        return values, 10**field.digits
    ratios = [value.as_integer_ratio() for value in values]  # denominators are powers of two
    unit = max(denominator for _, denominator in ratios)
    return [numerator * (unit // denominator) for numerator, denominator in ratios], unit


def _double(fraction):
    try:
        return float(fraction)
    except OverflowError:
        return _DOUBLE_MAX


def _root(fraction):
    """The square root of a fraction, however large or small, to 60 bits or more."""
    shift = max(0, 120 - fraction.numerator.bit_length() + fraction.denominator.bit_length())
    shift += shift % 2
    scaled = (fraction.numerator << shift) // fraction.denominator
    return _double(Fraction(isqrt(scaled), 1 << (shift // 2)))


def _variance(values, feature):
    if (found := _deviation(values, feature)) is None:
        return None
    variance, deviation, rounding = found
    return Approx(variance, min(2 * deviation * rounding + rounding * rounding, _DOUBLE_MAX))


def _stddev(values, feature):
    if (found := _deviation(values, feature)) is None:
        return None
    _, deviation, rounding = found
    return Approx(deviation, rounding)


def _min(values, feature):
    return _outward(min(values), feature) if values else None


def _max(values, feature):
    return _outward(max(values), feature) if values else None


def _first(values, feature):
    if feature.n is None:
        return _outward(values[0], feature) if values else None
    return [_outward(value, feature) for value in values[: feature.n]]


def _last(values, feature):
    if feature.n is None:
        return _outward(values[-1], feature) if values else None
    return [_outward(value, feature) for value in values[-feature.n :]]


def _list(values, feature):
    """All values, of which the newest `limit` are kept."""
    return [_outward(value, feature) for value in values[-(feature.limit or LIST_LIMIT) :]]


def _distinct(values, _feature):
    """Exact to 64 values a window, then within the sketch's error."""
    exact = len(set(values))
    return exact if exact <= DISTINCT_EXACT else Approx(exact, DISTINCT_TOLERANCE * exact)


def _histogram(values, feature):
    named = {_key(value, feature): count for value, count in Counter(values).items()}
    limit = feature.limit or HISTOGRAM_LIMIT
    return named if len(named) <= limit else Histogram(named, limit)


def _top(values, feature):
    """More frequent first, ties: the bytewise smallest of the text that a map has as its key. How a
    double is spelled there is not defined, so neither is which of several comes first."""
    counts = Counter(values)
    if len(counts) > TOP_COUNTERS:
        slack = 2 * len(values) / (TOP_COUNTERS + 1)
    elif feature.field.kind == "double" and counts:
        slack = 0
    else:
        ranked = sorted(counts, key=lambda value: (-counts[value], _key(value, feature).encode()))
        if feature.n is None:
            return _outward(ranked[0], feature) if ranked else None
        return [_outward(value, feature) for value in ranked[: feature.n]]
    named = {_key(value, feature): count for value, count in counts.items()}
    return Top(named, feature.field.kind, feature.n, slack)


def _quantile(values, feature):
    """The value of rank floor(q * (n - 1)) from 0 in ascending order; of a decimal: the number."""
    if not values:
        return None
    ascending = sorted(values)
    unit = 10**feature.field.digits
    rank = feature.q * (len(values) - 1)
    ranks = {floor(rank), floor(float(feature.q) * (len(values) - 1))}
    least, greatest = ascending[0] / unit, ascending[-1] / unit
    if feature.q in (0, 1):  # the exact minimum, maximum
        exact = least if feature.q == 0 else greatest
        return Approx(exact, ROUNDING * abs(exact))
    return Quantile(tuple(ascending[at] / unit for at in sorted(ranks)), least, greatest)


def _since_previous(times, _feature):
    return times[-1] - times[-2] if len(times) > 1 else None


# What the pipeline file calls it → its value. An empty list gives the "empty" column of section 6.
AGGREGATES: dict[str, Callable] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "variance": _variance,
    "stddev": _stddev,
    "min": _min,
    "max": _max,
    "first": _first,
    "last": _last,
    "list": _list,
    "distinct": _distinct,
    "histogram": _histogram,
    "top": _top,
    "quantile": _quantile,
    "since_previous": _since_previous,
}


def feature_inputs(view, event):
    """What an event gives to each feature of a view: a tuple of values, ABSENT where nothing.

    A feature without a field takes the time of every event: that they are there is what
    `{count: true}` wants to know, when they were what `{since_previous: true}` does.
    """
    return tuple(
        (event.time if feature.field is None else event.fields[feature.field.name])
        if feature.where(event.fields)
        else ABSENT
        for feature in view.features
    )


_order = attrgetter("time", "partition", "offset")


class History:
    """Events of one key in a view, in order, feature by feature: a window is a slice of it."""

    def __init__(self, view, held=()):
        self.view = view
        in_order = sorted(held, key=_order)
        self.order = [_order(one) for one in in_order]
        # Of each feature: the order of the events that have something for it, and what.
        self.columns = []
        for slot in range(len(view.features)):
            column = [one.inputs[slot] for one in in_order]
            order = self.order
            if ABSENT in column:
                order = [place for place, value in zip(order, column) if value is not ABSENT]
                column = [value for value in column if value is not ABSENT]
            self.columns.append((list(order), column))
        self.known = {}  # slice of `order` → values: windows that hold the same are equal

    def insert(self, held):
        place = _order(held)
        insort(self.order, place)
        self.known.clear()
        for (order, values), value in zip(self.columns, held.inputs):
            if value is not ABSENT:
                at = bisect_left(order, place)
                order.insert(at, place)
                values.insert(at, value)

    def extent(self, start, end=float("inf")):
        """The slice of `order` that is start <= time < end."""
        return bisect_left(self.order, (start,)), bisect_left(self.order, (end,))

    def holds(self, start, end):
        first, after = self.extent(start, end)
        return first < after

    def values(self, start=float("-inf"), end=float("inf")):
        """The feature values of all that is start <= time < end: name → value."""
        extent = self.extent(start, end)
        if extent not in self.known:
            self.known[extent] = {
                feature.name: AGGREGATES[feature.aggregate](
                    values[bisect_left(order, (start,)) : bisect_left(order, (end,))], feature
                )
                for feature, (order, values) in zip(self.view.features, self.columns)
            }
        return self.known[extent]


def evaluate(view, held):
    """The feature values of a window that holds just these events."""
    in_order = sorted(held, key=_order)
    return {
        feature.name: AGGREGATES[feature.aggregate](
            [one.inputs[slot] for one in in_order if one.inputs[slot] is not ABSENT], feature
        )
        for slot, feature in enumerate(view.features)
    }
