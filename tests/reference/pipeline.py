"""The pipeline file (section 11), read into plain objects.

Only what decides results is kept: how the engine is run (threads, brokers, memory) is of no concern
to a definition. The file is taken to be right: what `freshet check` refuses is not judged here.
"""

import re
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Feature:
    name: str
    aggregate: str  # a name of aggregates.AGGREGATES
    field: Field | None  # None: {count: true}, every event
    where: object  # event fields → bool
    limit: int | None = None


@dataclass(frozen=True)
class View:
    """`slide` equals `size` for a tumbling window."""

    name: str
    source: Source
    tumbling: bool
    size: int
    slide: int
    offset: int
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
    sources = {name: _source(name, spec) for name, spec in document["sources"].items()}
    return Pipeline(
        name=document["pipeline"],
        online=_online(document.get("redis")),
        sources=tuple(sources.values()),
        views=tuple(
            _view(name, spec, sources[spec["source"]]) for name, spec in document["views"].items()
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
    )


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


def _view(name, spec, source):
    window = spec["window"]
    tumbling = "tumbling" in window
    size = duration_ms(window["tumbling" if tumbling else "sliding"])
    return View(
        name=name,
        source=source,
        tumbling=tumbling,
        size=size,
        slide=size if tumbling else duration_ms(window["every"]),
        offset=duration_ms(window.get("offset", "0s")),
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
    )
