"""What a run left behind against what the reference says that it must.

Every function returns a list of problems, each a line or two for a person; an empty list is a pass.
A value matches exactly, or within the tolerance that the reference's `Approx` or `Histogram`
carries.
"""

import base64
import json

from reference.aggregates import Approx, Histogram
from reference.online import as_text
from reference.values import DecimalText, Number

SHOWN = 5  # problems of each kind that are spelled out
LINE_LIMIT = 800  # characters of a row in a report
RAW_LIMIT = 256 * 1024  # bytes of a record that a dead letter repeats


# Rows


def rows(expected, actual, last_only=False):
    """`actual` are rows as engine.read_rows gives them. Of aligned sources every row and revision
    is compared, with `last_only` just the last revision of each window, as always of shuffled ones.
    """
    report = _Report("row")
    views = {view.name: view for view in expected.pipeline.views}
    found = _by_window(views, actual, report)
    wanted = {}
    for row in expected.rows:
        wanted.setdefault(_window(views[row["view"]], row), {})[row["revision"]] = row
    for window, revisions in found.items():
        if list(revisions) != list(range(len(revisions))):  # as they stand in the file
            report.add("odd revisions", f"{list(revisions)} of {_describe(window)}")

    for window in {**wanted, **found}:
        view = views[window[0]]
        if view.on_update and not view.source.aligned:
            continue  # these rows depend on how the partitions interleave
        ours, theirs = wanted.get(window, {}), found.get(window, {})
        if last_only or not view.source.aligned:
            ours, theirs = _last(ours), _last(theirs)
        _compare_revisions(ours, theirs, report)
    return report.lines()


def _by_window(views, rows_read, report):
    """{window: {revision: row}}, without rows that are none."""
    found = {}
    for row in rows_read:
        view = views.get(row.get("view"))
        if fault := _shape_fault(view, row):
            report.add("malformed", f"{fault}: {_line(row)}")
            continue
        revisions = found.setdefault(_window(view, row), {})
        revision = int(row["revision"])
        if revision in revisions:
            report.add("twice", _line(row))
        revisions[revision] = row
    return found


def _last(revisions):
    """The last revision alone, whatever its number."""
    return {"last": revisions[max(revisions)]} if revisions else {}


def _compare_revisions(wanted, found, report):
    for revision, row in wanted.items():
        if revision in found:
            _compare_row(row, found[revision], report)
        else:
            report.add("missing", _line(row))
    for revision in found.keys() - wanted.keys():
        report.add("not expected", _line(found[revision]))


def _compare_row(wanted, actual, report):
    faults = []
    if bool(wanted.get("empty")) != bool(actual.get("empty")):
        faults.append('"empty" differs')
    if wanted["features"].keys() != actual["features"].keys():
        faults.append("other features")
    for name in wanted["features"].keys() & actual["features"].keys():
        if not value_matches(wanted["features"][name], actual["features"][name]):
            faults.append(f"{name} is wrong")
    if faults:
        report.add("differing", _difference(", ".join(faults), wanted, actual))


def _shape_fault(view, row):
    """What is wrong with the form of a row, before its values."""
    if view is None:
        return "unknown view"
    names = {"view", view.source.entity, "window_start", "window_end", "revision", "features"}
    if row.keys() - {"empty"} != names:
        return f"has {sorted(row)}"
    if row.get("empty", True) is not True:
        return '"empty" is there but not true'
    if type(row[view.source.entity]) is not str:
        return "the key is no string"
    for name in ("window_start", "window_end", "revision"):
        if type(row[name]) is not Number or not row[name].lstrip("-").isdigit():
            return f"{name} is no integer"
    return None


def _window(view, row):
    start, end = int(row["window_start"]), int(row["window_end"])
    return (view.name, row[view.source.entity], start, end)


def _describe(window):
    view, key, start, end = window
    return f"{view} {key!r} [{start}, {end})"


# Values


def value_matches(wanted, actual):
    """A value of the reference against one that was read from JSON, its numbers as text."""
    if isinstance(wanted, Histogram):
        return _is_count_map(actual) and wanted.matches(
            {name: int(count) for name, count in actual.items()}
        )
    if isinstance(wanted, dict):
        return _is_count_map(actual) and wanted == {
            name: int(count) for name, count in actual.items()
        }
    if wanted is None:
        return actual is None
    if isinstance(wanted, Approx):
        return type(actual) is Number and wanted.matches(float(actual))
    if isinstance(wanted, float):
        return type(actual) is Number and float(actual) == wanted
    if isinstance(wanted, (int, DecimalText)):
        return type(actual) is Number and str(actual) == str(wanted)
    return type(actual) is str and actual == wanted


def _is_count_map(value):
    """Map keys are sorted bytewise, counts are integers."""
    return (
        isinstance(value, dict)
        and list(value) == sorted(value, key=str.encode)
        and all(type(count) is Number and count.isdigit() for count in value.values())
    )


def text_matches(wanted, text):
    """A value of the reference against a field of a Redis hash: strings raw, all else as JSON."""
    if isinstance(wanted, str) and not isinstance(wanted, DecimalText):
        return text == wanted
    try:
        actual = json.loads(text, parse_int=Number, parse_float=Number)
    except ValueError:
        return False
    return value_matches(wanted, actual)


# The online store


def redis(expected, actual):
    """`actual` is {key: {field: text}}."""
    report = _Report("Redis")
    for key, fields in expected.redis.items():
        if key not in actual:
            if not all(name in expected.optional.get(key, ()) for name in fields):
                report.add("missing key", f"{key!r}: {_fields_line(fields)}")
            continue
        _compare_hash(expected, key, fields, actual[key], report)
    for key in actual.keys() - expected.redis.keys():
        report.add("key not expected", f"{key!r}: {actual[key]}")
    return report.lines()


def _compare_hash(expected, key, wanted, actual, report):
    faults = []
    optional = expected.optional.get(key, ())
    for name, value in wanted.items():
        if name not in actual:
            if name not in optional:
                faults.append(f"{name} is missing, wanted {as_text(value)}")
        elif name in expected.loose:
            if not actual[name].isdigit():
                faults.append(f"{name} is {actual[name]!r}, no time")
        elif not text_matches(value, actual[name]):
            faults.append(f"{name} is {actual[name]!r}, wanted {as_text(value)!r}")
    for name in actual.keys() - wanted.keys():
        view, _, metadata = name.rpartition(".")
        if metadata != "computed_at" or f"{view}.window_end" not in actual:
            faults.append(f"{name} is {actual[name]!r}, not expected")
    for name in actual:
        view, _, metadata = name.rpartition(".")
        if metadata == "window_end" and not actual.get(f"{view}.computed_at", "").isdigit():
            faults.append(f"{view}.computed_at is no time")
    if faults:
        report.add("differing", f"{key!r}: " + "; ".join(faults))


def _fields_line(fields):
    return ", ".join(f"{name}={as_text(value)}" for name, value in fields.items())


# Dead letters and late records


def dead_letters(expected, source_records, read, at_least_once=False):
    """`read`: {dead-letter topic: {partition: [Record]}}, `source_records`: what went in."""
    report = _Report("dead letter")
    for source in expected.pipeline.sources:
        if source.dead_letter_topic:
            wanted = [letter for letter in expected.dead_letters if letter["source"] == source.name]
            actual = read[source.dead_letter_topic]
            _compare_letters(wanted, actual, source_records[source.topic], at_least_once, report)
    return report.lines()


def late(expected, source_records, read, at_least_once=False):
    report = _Report("late record")
    for source in expected.pipeline.sources:
        if source.late_topic:
            wanted = [
                {**record, "error": "late"}
                for record in expected.late
                if record["source"] == source.name
            ]
            actual = read[source.late_topic]
            _compare_letters(wanted, actual, source_records[source.topic], at_least_once, report)
    return report.lines()


def _compare_letters(wanted, partitions, source_records, at_least_once, report):
    found = {}
    for records in partitions.values():
        for record in records:
            letter = _parse_letter(record, report)
            if letter is None:
                continue
            place = (letter.get("partition"), letter.get("offset"))
            if place in found and not at_least_once:
                report.add("twice", _line(letter))
            found[place] = (record, letter)
    originals = {
        (number, record.offset): record
        for number, records in source_records.items()
        for record in records
    }
    for letter in wanted:
        place = (letter["partition"], letter["offset"])
        if place not in found:
            report.add("missing", _line(letter))
            continue
        record, actual = found.pop(place)
        original = originals[letter["partition"], letter["offset"]]
        if faults := _letter_faults(letter, original, record, actual):
            report.add("differing", _difference("; ".join(faults), letter, actual))
    for _, actual in found.values():
        report.add("not expected", _line(actual))


def _parse_letter(record, report):
    try:
        letter = json.loads(record.value)
    except (TypeError, ValueError):
        letter = None
    if not isinstance(letter, dict):
        report.add("no JSON object", repr(record.value)[:300])
        return None
    return letter


def _letter_faults(wanted, original, record, actual):
    faults = []
    if record.key != original.key:
        faults.append(f"its key is {record.key!r}, not {original.key!r}")
    for name in ("topic", "error", "field", "watermark"):
        if actual.get(name) != wanted.get(name):
            faults.append(f"{name} is {actual.get(name)!r}")
    # A record without a timestamp: null, or nothing at all.
    if actual.get("ts") != original.timestamp:
        faults.append(f"ts is {actual.get('ts')!r}, not {original.timestamp}")
    if not _raw_matches(original.value, actual):
        faults.append(f"raw does not show {original.value!r:.80}")
    return faults


def _raw_matches(value, letter):
    raw = letter.get("raw")
    if value is None:
        return raw is None
    if not isinstance(raw, str):
        return False
    if letter.get("encoding") == "base64":  # only for what is not UTF-8
        try:
            shown = base64.b64decode(raw, validate=True)
        except ValueError:
            return False
        if _is_utf8(value):
            return False
    else:
        shown = raw.encode(errors="surrogatepass")
    if letter.get("truncated"):
        # Cut at the limit, or a little before it so as not to cut a character.
        cut_well = RAW_LIMIT - 3 <= len(shown) <= RAW_LIMIT
        return cut_well and len(value) > RAW_LIMIT and value.startswith(shown)
    return len(value) <= RAW_LIMIT and shown == value


def _is_utf8(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Report:
    """Collects problems by kind and spells out the first few of each."""

    def __init__(self, subject):
        self.subject = subject
        self.kinds = {}

    def add(self, kind, text):
        self.kinds.setdefault(kind, []).append(text)

    def lines(self):
        lines = []
        for kind, texts in self.kinds.items():
            lines.append(f"{self.subject}, {kind}: {len(texts)}")
            lines += [f"    {text}" for text in sorted(texts)[:SHOWN]]
            if len(texts) > SHOWN:
                lines.append(f"    … and {len(texts) - SHOWN} more")
        return lines


def _difference(what, wanted, actual):
    return f"{what}\n      wanted {_line(wanted)}\n      got    {_line(actual)}"


def _line(row):
    """A row on one line, expected values shown as what they are."""
    line = json.dumps(row, ensure_ascii=False, default=_shown)
    return line if len(line) <= LINE_LIMIT else line[:LINE_LIMIT] + " …"


def _shown(value):
    if isinstance(value, Approx):
        return f"{value.value!r} ± {value.tolerance:.3g}"
    if isinstance(value, Histogram):
        return f"{value.limit} entries or fewer of {value.counts}"
    return repr(value)
