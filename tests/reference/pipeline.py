"""The pipeline file (section 11), read into plain objects.

Only what decides results is kept: how the engine is run (threads, brokers, memory) is of no concern
to a definition. The file is taken to be right: what `freshet check` refuses is not judged here.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction

import yaml

from .values import ABSENT, literal
from .where import compile_where

_DURATION = re.compile(r"(-?[0-9]+)(ms|s|m|h|d)\Z")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DECIMAL = re.compile(r"decimal\(([0-9]+)\)\Z")

_FEATURE_OPTIONS = {"where", "limit", "n", "q", "sample"}


@dataclass(frozen=True)
class Field:
    """A declared field of a source: where it stands in the JSON, its type, if it may be missing."""

    name: str
    path: tuple
    kind: str  # string int64 double decimal bool timestamp
    digits: int = 0  # of a decimal
    optional: bool = False
    default: object = ABSENT


@dataclass(frozen=True)
class Dedup:
    """The field that names an event, and how far apart two of one name are still the same."""

    field: str
    within: int


@dataclass(frozen=True)
class Source:
    name: str
    topic: str
    aligned: bool
    entity: str
    time_path: tuple
    time_unit: str
    fields: dict  # name → Field, in declared order
    out_of_orderness: int
    allowed_lateness: int
    max_future: int
    late_topic: str | None
    dead_letter_topic: str | None
    dedup: Dedup | None


@dataclass(frozen=True)
class Feature:
    name: str
    aggregate: str  # a name of aggregates.AGGREGATES
    field: Field | None  # None: {count: true}, {since_previous: true}: every event
    where: object  # event fields → bool
    limit: int | None = None
    n: int | None = None  # None: one value, not a list
    q: Fraction | None = None
    sample: bool = False


@dataclass(frozen=True)
class View:
    """`size`, `slide` and `offset` are those of a tumbling or sliding window, 0 for others; `slide`
    equals `size` for a tumbling one."""

    name: str
    source: Source
    kind: str  # tumbling sliding session lifetime
    size: int
    slide: int
    offset: int
    gap: int  # of a session
    state_ttl: int
    on_update: bool
    where: object
    features: tuple
    when_empty: str
    skip_unchanged: bool


@dataclass(frozen=True)
class OnlineStore:
    key: str
    metadata: bool


@dataclass(frozen=True)
class Pipeline:
    name: str
    online: OnlineStore | None
    sources: tuple
    views: tuple = field(default=())


def duration_ms(text):
    number, unit = _DURATION.match(text).groups()
    return int(number) * _UNIT_MS[unit]


def read_pipeline(text):
    """Every scalar is taken as the text that stands in the file; its meaning comes from its place,
    so a decimal is never seen through a float."""
    document = yaml.load(text, Loader=yaml.BaseLoader)
    state_ttl = duration_ms((document.get("state") or {}).get("ttl", "25h"))
    sources = {name: _source(name, spec) for name, spec in document["sources"].items()}
    return Pipeline(
        name=document["pipeline"],
        online=_online(document.get("redis")),
        sources=tuple(sources.values()),
        views=tuple(
            _view(name, spec, sources[spec["source"]], state_ttl)
            for name, spec in document["views"].items()
        ),
    )


def _online(spec):
    if not spec:
        return None
    return OnlineStore(key=spec["key"], metadata=spec.get("metadata", "true") == "true")


def _source(name, spec):
    return Source(
        name=name,
        topic=spec["topic"],
        aligned=spec.get("partitioning", "shuffle") == "aligned",
        entity=spec["entity"],
        time_path=tuple(spec["time"]["field"].split(".")),
        time_unit=spec["time"].get("unit", "ms"),
        fields={name: _field(name, field_spec) for name, field_spec in spec["fields"].items()},
        out_of_orderness=duration_ms(spec.get("out_of_orderness", "0s")),
        allowed_lateness=duration_ms(spec.get("allowed_lateness", "0s")),
        max_future=duration_ms(spec.get("max_future", "60s")),
        late_topic=spec.get("late_topic"),
        dead_letter_topic=spec.get("dead_letter_topic"),
        dedup=_dedup(spec.get("dedup")),
    )


def _dedup(spec):
    return Dedup(spec["field"], duration_ms(spec["within"])) if spec else None


def _field(name, spec):
    if isinstance(spec, str):
        spec = {"type": spec}
    kind, digits = spec["type"], 0
    if decimal := _DECIMAL.match(kind):
        kind, digits = "decimal", int(decimal.group(1))
    default = ABSENT
    if "default" in spec:
        default = literal(spec["default"], kind, digits)
    return Field(
        name=name,
        path=tuple(spec.get("path", name).split(".")),
        kind=kind,
        digits=digits,
        optional=spec.get("optional") == "true",
        default=default,
    )


def _view(name, spec, source, state_ttl):
    window = spec["window"]
    if window == "lifetime":
        window = {"lifetime": "0s"}
    (kind,) = {"tumbling", "sliding", "session", "lifetime"} & window.keys()
    length = duration_ms(window[kind])
    size = 0 if kind == "session" else length
    return View(
        name=name,
        source=source,
        kind=kind,
        size=size,
        slide=duration_ms(window["every"]) if kind == "sliding" else size,
        offset=duration_ms(window.get("offset", "0s")),
        gap=length - size,
        state_ttl=state_ttl,
        on_update=spec.get("emit", "on_close") == "on_update",
        where=compile_where(spec.get("where", {}), source.fields),
        features=tuple(
            _feature(feature_name, feature_spec, source)
            for feature_name, feature_spec in spec["features"].items()
        ),
        when_empty=spec.get("when_empty", "zero"),
        skip_unchanged=spec.get("unchanged", "emit") == "skip",
    )


def _feature(name, spec, source):
    (aggregate,) = set(spec) - _FEATURE_OPTIONS
    subject = spec[aggregate]
    return Feature(
        name=name,
        aggregate=aggregate,
        field=None if subject == "true" else source.fields[subject],
        where=compile_where(spec.get("where", {}), source.fields),
        limit=int(spec["limit"]) if "limit" in spec else None,
        n=int(spec["n"]) if "n" in spec else None,
        q=Fraction(spec["q"]) if "q" in spec else None,
        sample=spec.get("sample") == "true",
    )
