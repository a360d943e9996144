"""Values of which the design grants the engine a tolerance. Two are equal if what they say is."""

from dataclasses import dataclass, field

from .values import map_value

HISTOGRAM_REST = "__other__"

QUANTILE_RELATIVE = 0.01
QUANTILE_ABSOLUTE = 1e-9  # of values next to nothing
TOP_COUNTERS = 256  # values a window, beyond which counts may be too low

_CONVERSION = 1e-12  # relative: what a decimal's way to a double may cost


@dataclass(frozen=True)
class Approx:
    """A number that the engine may miss by `tolerance`."""

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


@dataclass(frozen=True)
class Quantile:
    """A value within 1 % of the one at the rank, and never beyond the window's least and greatest.

    `ranked` are the values at the rank: two where q * (n - 1) is a whole number in decimal and may
    fall just short of it in binary.
    """

    ranked: tuple
    least: float
    greatest: float

    @property
    def value(self):
        return self.ranked[0]

    def matches(self, actual):
        slack = _CONVERSION * max(abs(self.least), abs(self.greatest))
        return self.least - slack <= actual <= self.greatest + slack and any(
            abs(actual - value) <= QUANTILE_RELATIVE * abs(value) + QUANTILE_ABSOLUTE
            for value in self.ranked
        )


@dataclass(frozen=True)
class Top:
    """The most frequent values where the engine may count too low, or break ties as it likes.

    `counts`: canonical text → true count; `slack`: by how much a reported value's count may be less
    than that of the right value in its place. With frequency counters a value is sure to be kept
    only if its count is over slack / 2, so a list may be the shorter.
    """

    counts: dict
    kind: str  # of the field
    n: int | None  # None: one value, not a list
    slack: float

    @property
    def ranked(self):
        return sorted(self.counts, key=lambda text: (-self.counts[text], text.encode()))

    @property
    def plain(self):
        """The value itself, or the list of values."""
        values = [map_value(text, self.kind) for text in self.ranked[: self.n or 1]]
        return values[0] if self.n is None else values

    def matches(self, texts):
        """`texts`: the reported values as canonical text, the most frequent first."""
        wanted = [self.counts[text] for text in self.ranked[: self.n or 1]]
        if len(texts) > len(wanted) or len(set(texts)) < len(texts):
            return False
        found = [self.counts.get(text, 0) for text in texts]
        missing = self.counts.keys() - set(texts) if len(texts) < len(wanted) else ()
        return (
            all(found)
            and all(ours >= right - self.slack for ours, right in zip(found, wanted))
            and all(self.counts[text] <= self.slack / 2 for text in missing)
        )
