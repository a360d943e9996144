"""A Kafka record → an event, or the reason why it is a dead letter (section 10).

Order of the checks: the value is null, the document is malformed, the time, the fields as they are
declared, an empty entity, a time in the future. The first that fails names the dead letter.
"""

import json
import re
from typing import NamedTuple

from .values import ABSENT, BadValue, Number, Reject, time_of, typed


class Record(NamedTuple):
    """What a topic holds. `timestamp` is None where Kafka has none."""

    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None


class Event(NamedTuple):
    key: str
    time: int
    partition: int
    offset: int
    fields: dict  # name → value or ABSENT


def decode(source, partition, record):
    """Raises Reject for a dead letter."""
    if record.value is None:
        raise Reject("null_value")
    document = parse_document(record.value)
    time_field = ".".join(source.time_path)
    time = _time(source, document, time_field)
    fields = {
        field.name: _field_value(field, document, field.name == source.entity)
        for field in source.fields.values()
    }
    key = str(fields[source.entity])
    if not key:
        raise Reject("empty_entity", source.entity)
    # max_future is measured against the record's timestamp, so a replay decides the same; a record
    # without one is not checked.
    if record.timestamp is not None and time > record.timestamp + source.max_future:
        raise Reject("future", time_field)
    return Event(key, time, partition, record.offset, fields)


def parse_document(value):
    """The JSON object of a record: the whole document valid UTF-8 and valid JSON."""
    try:
        text = value.decode("utf-8")
        document = _DECODER.decode(text)
    except (ValueError, RecursionError):
        raise Reject("malformed") from None
    if type(document) is not dict or _has_lone_surrogate(text):
        raise Reject("malformed")
    return document


def _no_such_constant(_name):
    raise ValueError("NaN and Infinity are not JSON")


# Numbers keep their text. Of a name that stands twice in one object the last wins, as in a dict.
_DECODER = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=_no_such_constant
)


# In a valid document backslashes stand in strings only, so reading escapes from left to right
# finds them all.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u(?P<lone>[dD][89a-fA-F]..)|u....|.)"
)


def _has_lone_surrogate(text):
    return "\\u" in text and any(escape["lone"] for escape in _ESCAPE.finditer(text))


def _look_up(document, path):
    """null counts as missing; so does a path that meets something else than an object."""
    value = document
    for name in path:
        if type(value) is not dict or name not in value:
            return ABSENT
        value = value[name]
    return ABSENT if value is None else value


def _time(source, document, time_field):
    value = _look_up(document, source.time_path)
    if value is ABSENT:
        raise Reject("missing", time_field)
    try:
        return time_of(value, source.time_unit)
    except BadValue as bad:
        raise Reject(bad.reason, time_field) from None


def _field_value(field, document, is_entity):
    """Missing: the default, else absent if the field is optional, else a dead letter. A wrong type
    is a dead letter for optional fields too."""
    value = _look_up(document, field.path)
    if value is ABSENT:
        if field.default is not ABSENT:
            return field.default
        if field.optional and not is_entity:
            return ABSENT
        raise Reject("missing", field.name)
    try:
        return typed(value, field.kind, field.digits)
    except BadValue as bad:
        raise Reject(bad.reason, field.name) from None
