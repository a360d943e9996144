"""The engine's metrics: their names, in one place, and a strict reader of the Prometheus text."""

import re

from process import Failure

# Names of the engine's counters, with the labels that tests select by. They are summed over all
# other labels, such as the shard.
RECORDS = "freshet_records_total"  # source
EVENTS = "freshet_events_total"  # decoded; source
DEAD_LETTERS = "freshet_dead_letters_total"  # source, reason
LATE = "freshet_view_late_events_total"  # late for a view; view
LATE_RECORDS = "freshet_late_events_total"  # late for every view; source
DUPLICATES = "freshet_duplicate_events_total"  # dropped; source
ROWS = "freshet_rows_total"  # view
EMPTY_ROWS = "freshet_empty_rows_total"  # view

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_HELP = re.compile(rf"# HELP ({_NAME}) .*\Z")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram|summary|untyped)\Z")
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)(?: -?[0-9]+)?\Z")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|\Z)')
_SUFFIXES = ("_bucket", "_sum", "_count")


def parse(text):
    """{name: [(labels, value)]}; Failure at the first line that is not in the text format."""
    if not text.endswith("\n"):
        raise Failure("metrics: the last line has no end")
    types, samples, seen = {}, {}, set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line or _HELP.match(line):
            continue
        if declared := _TYPE.match(line):
            _require(declared[1] not in types, number, line, "a second TYPE")
            types[declared[1]] = declared[2]
            continue
        sample = _SAMPLE.match(line)
        _require(sample, number, line, "neither HELP, TYPE nor a sample")
        name, labels = sample[1], _labels(sample[2] or "", number, line)
        _require(_family(name, types) in types, number, line, "a sample without TYPE before it")
        _require((name, labels) not in seen, number, line, "a second sample of these labels")
        seen.add((name, labels))
        samples.setdefault(name, []).append((dict(labels), _value(sample[3], number, line)))
    return samples


def total(samples, name, **labels):
    """The sum of a metric's samples that carry these labels."""
    return sum(
        value
        for found, value in samples.get(name, [])
        if all(found.get(label) == wanted for label, wanted in labels.items())
    )


def _family(name, types):
    """The name that TYPE declares: that of a histogram or summary lacks the suffix."""
    for suffix in _SUFFIXES:
        base = name.removesuffix(suffix)
        if base != name and types.get(base) in ("histogram", "summary"):
            return base
    return name


def _labels(text, number, line):
    labels, place = [], 0
    while place < len(text):
        label = _LABEL.match(text, place)
        _require(label, number, line, "bad labels")
        labels.append((label[1], label[2]))
        place = label.end()
    _require(len(labels) == len(dict(labels)), number, line, "a label stands twice")
    return tuple(sorted(labels))


def _value(text, number, line):
    try:
        return float(text)
    except ValueError:
        raise Failure(f"metrics line {number}: no number: {line}") from None


def _require(condition, number, line, what):
    if not condition:
        raise Failure(f"metrics line {number}: {what}: {line}")
