"""Field types: from the JSON text of a value to the value, and back to text in rows and Redis.

Values inside the reference are plain Python ones: str, int (int64 and timestamp: ms), float, bool.
A decimal(n) is an int, the value times 10^n: money is exact. JSON numbers arrive as `Number`, their
text, so that nothing is lost to a float on the way.
"""

import json
import re
import sys
from datetime import datetime, timedelta

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

# 9999-12-31T23:59:59.999Z, the last instant that a time may name.
TIME_MAX_MS = 253_402_300_799_999

sys.set_int_max_str_digits(0)  # a producer may spell numbers with any number of digits

_INTEGER = re.compile(r"-?[0-9]+\Z")
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?\Z")
_ISO_8601 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([-+])(\d\d):?(\d\d))?\Z",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)


class Absent:
    """No value: the field is missing, or null, in the event."""

    def __repr__(self):
        return "ABSENT"


ABSENT = Absent()


class Number(str):
    """A JSON number, as it was spelled."""


class Reject(Exception):
    """Why a record is a dead letter. `field` is None where no field is to blame."""

    def __init__(self, reason, field=None):
        super().__init__(reason, field)
        self.reason = reason
        self.field = field


class BadValue(Exception):
    """Why one value cannot be taken: a reason code of section 10."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class Overflow(Exception):
    """A number outside of what a scaled int64 holds."""


def scaled_integer(text, digits):
    """The number times 10^digits as an integer, rounded half away from zero, from its exact text.

    Raises Overflow where the result is out of int64, before it builds a huge number.
    """
    sign, whole, fraction, exponent = _NUMBER.match(text).groups()
    fraction = fraction or ""
    significant = (whole + fraction).lstrip("0")
    if not significant:
        return 0
    shift = int(exponent or 0) - len(fraction) + digits
    if len(significant) + shift > 19:
        raise Overflow
    if len(significant) + shift < 0:
        return 0
    if shift >= 0:
        magnitude = int(significant) * 10**shift
    else:
        divisor = 10**-shift
        magnitude, rest = divmod(int(significant), divisor)
        if 2 * rest >= divisor:
            magnitude += 1
    value = -magnitude if sign else magnitude
    if not INT64_MIN <= value <= INT64_MAX:
        raise Overflow
    return value


def integer_of(text):
    """The int64 that a JSON number spells; 1.0 and 1e3 do not spell an integer."""
    if not _INTEGER.match(text):
        raise BadValue("wrong_type")
    value = int(text)
    if not INT64_MIN <= value <= INT64_MAX:
        raise BadValue("overflow")
    return value


def double_of(text):
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadValue("overflow")
    return value


def iso_8601_ms(text):
    """Milliseconds since the epoch; without a zone: UTC; a fraction beyond ms is cut."""
    match = _ISO_8601.match(text)
    if not match:
        raise BadValue("bad_time")
    year, month, day, hour, minute, second, fraction, _utc, sign, zone_h, zone_m = match.groups()
    try:
        instant = datetime(*(int(part) for part in (year, month, day, hour, minute, second)))
        zone = timedelta(hours=int(zone_h or 0), minutes=int(zone_m or 0))
        if zone_h and (int(zone_h) > 23 or int(zone_m) > 59):
            raise ValueError("zone out of range")
    except ValueError:
        raise BadValue("bad_time") from None
    elapsed = instant - _EPOCH + (zone if sign == "-" else -zone)
    return elapsed // _MILLISECOND + int((fraction or "0")[:3].ljust(3, "0"))


def time_in_range(ms):
    """Negative, or beyond the last instant that ISO 8601 spells with four digits: a bad time."""
    if not 0 <= ms <= TIME_MAX_MS:
        raise BadValue("bad_time")
    return ms


def time_of(value, unit):
    """An event's time in ms from its JSON value, for one of the units of section 11."""
    if unit == "iso8601":
        if type(value) is not str:
            raise BadValue("wrong_type")
        return time_in_range(iso_8601_ms(value))
    if type(value) is not Number:
        raise BadValue("wrong_type")
    if unit == "s":  # floats too: the nearest ms from the decimal text
        try:
            return time_in_range(scaled_integer(value, 3))
        except Overflow:
            raise BadValue("bad_time") from None
    if not _INTEGER.match(value):
        raise BadValue("bad_time")
    return time_in_range(int(value) // 1000 if unit == "us" else int(value))


def typed(value, kind, digits):
    """A JSON value (no null) as a value of a field type; nothing is coerced from strings."""
    if kind == "string":
        if type(value) is str:
            return value
    elif kind == "bool":
        if type(value) is bool:
            return value
    elif kind == "timestamp":
        if type(value) is Number:
            return time_of(value, "ms")
        if type(value) is str:
            return time_of(value, "iso8601")
    elif type(value) is Number:
        if kind == "int64":
            return integer_of(value)
        if kind == "double":
            return double_of(value)
        try:
            return scaled_integer(value, digits)
        except Overflow:
            raise BadValue("overflow") from None
    raise BadValue("wrong_type")


def literal(text, kind, digits):
    """A value written in the pipeline file (a default, a comparison) as one of a field type."""
    if kind == "string":
        return text
    if kind == "bool":
        return {"true": True, "false": False}[text]
    if kind == "timestamp" and not _INTEGER.match(text):
        return iso_8601_ms(text)
    return typed(Number(text), kind, digits)


class DecimalText(str):
    """A decimal(n) on its way out: its text with exactly n digits."""


def decimal_text(scaled, digits):
    sign = "-" if scaled < 0 else ""
    whole, fraction = divmod(abs(scaled), 10**digits)
    return DecimalText(f"{sign}{whole}.{fraction:0{digits}}" if digits else f"{sign}{whole}")


def outward(value, kind, digits):
    """A value as rows show it: decimals with n digits, everything else as it is."""
    return decimal_text(value, digits) if kind == "decimal" else value


def map_key(value, kind, digits):
    """A value as the key of a map: strings raw, else its JSON text."""
    if kind == "string":
        return value
    if kind == "decimal":
        return str(decimal_text(value, digits))
    return json.dumps(value)


def map_value(text, kind):
    """The value, as rows show it, of a map's key: the inverse of map_key."""
    if kind == "string":
        return text
    return DecimalText(text) if kind == "decimal" else json.loads(text)
