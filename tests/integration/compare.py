"""What a run left behind against what the reference says that it must.

Every function returns a list of problems, each a line or two for a person; an empty list is a pass.
A value matches exactly, or within the tolerance that the reference's value carries: those of
reference/tolerances.py.
"""

import base64
import json

from engine import parse_row
from reference.online import as_text
from reference.tolerances import Approx, Histogram, Quantile, Top
from reference.values import DecimalText, Number, map_key

SHOWN = 5  # problems of each kind that are spelled out
LINE_LIMIT = 800  # characters of a row in a report
RAW_LIMIT = 256 * 1024  # bytes of a record that a dead letter repeats

PLACE = 4  # of a window as _window gives it: view, key, start, end


# Rows


def rows(expected, actual, last_only=False):
    """`actual` are rows as engine.read_rows gives them. Of aligned sources every row and revision
    is compared, with `last_only` just the last revision of each window, as always of shuffled ones.
    """
    return RowJudge(expected, last_only).problems(actual)


class RowJudge:
    """Compares several runs with one expectation. What a run before had to the byte, window by
    window, needs no second look."""

    def __init__(self, expected, last_only=False):
        self.views = {view.name: view for view in expected.pipeline.views}
        self.last_only = last_only
        self.wanted = {}
        for row in expected.rows:
            view = self.views[row["view"]]
            _put_revision(self.wanted, view, _window(view, row), row["revision"], row)
        self.seen = {}  # the text that names a window → (its lines, its place)

    def problems_of_lines(self, lines):
        """Of the lines of a file."""
        names = list(map(_name, lines))
        texts = {}
        for name, line in zip(names, lines):
            texts.setdefault(name, []).append(line)
        seen = self.seen
        same = {
            name: seen[name]
            for name, mine in texts.items()
            if name in seen and seen[name][0] == mine
        }
        fresh = [
            (name, parse_row(line)) for name, line in zip(names, lines) if name not in same
        ]
        known = {place for _, place in same.values()}
        problems = self.problems([row for _, row in fresh], known)
        self.seen = {}
        if not problems:
            places = {
                name: (texts[name], _window(self.views[row["view"]], row)[:PLACE])
                for name, row in fresh
            }
            self.seen = {**same, **places}
        return problems

    def problems(self, actual, known=()):
        """`known`: places of windows that were judged before, and of which no rows are given."""
        report = _Report("row")
        found = _by_window(self.views, actual, report)
        for window, revisions in found.items():
            if list(revisions) != list(range(len(revisions))):  # as they stand in the file
                report.add("odd revisions", f"{list(revisions)} of {_describe(window)}")
        for window in {**self.wanted, **found}:
            if window[:PLACE] not in known:
                self._compare_window(window, found.get(window, {}), report)
        return report.lines()

    def _compare_window(self, window, theirs, report):
        view = self.views[window[0]]
        if view.on_update and not view.source.aligned:
            return  # these rows depend on how the partitions interleave
        ours = self.wanted.get(window, {})
        if self.last_only or not view.source.aligned:
            ours, theirs = _last(ours), _last(theirs)
        _compare_revisions(ours, theirs, report)


def _name(line):
    """The text that names a row's window: all that stands before the revision."""
    return line.partition(b',"revision":')[0]


def _by_window(views, rows_read, report):
    """{window: {revision: row}}, without rows that are none."""
    found = {}
    good = []
    for row in rows_read:
        view = views.get(row.get("view"))
        if fault := _shape_fault(view, row):
            report.add("malformed", f"{fault}: {_line(row)}")
            continue
        window = _window(view, row)
        good.append((window, row))
        if not _put_revision(found, view, window, int(row["revision"]), row):
            report.add("twice", _line(row))
    _check_order(good, report)
    return found


def _check_order(good, report):
    """A session is withdrawn before the one comes that takes its place."""
    keys = {window[:2] for window, row in good if "retracted" in row}
    shown = {key: set() for key in keys}
    for window, row in good:
        key, (start, end) = window[:2], window[2:PLACE]
        if key in keys:
            if "retracted" in row:
                for other in shown[key]:
                    if other != (start, end) and other[0] <= start and other[1] >= end:
                        report.add("withdrawn too late", _line(row))
            shown[key].add((start, end))


def _put_revision(windows, view, window, revision, row):
    """Whether there was none of this number. A lifetime's state that begins anew counts its rows
    anew, even if its bounds are those of another."""
    while view.kind == "lifetime" and revision == 0 and window in windows:
        window = (*window[:PLACE], window[PLACE] + 1)
    revisions = windows.setdefault(window, {})
    fresh = revision not in revisions
    revisions[revision] = row
    return fresh


def _last(revisions):
    """The last revision alone, whatever its number; nothing if that withdraws the row: whether a
    session was shown in parts before it was whole depends on when the clock moved."""
    if not revisions or "retracted" in revisions[max(revisions)]:
        return {}
    return {"last": revisions[max(revisions)]}


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
    for name in ("empty", "retracted"):
        if (name in wanted) != (name in actual):
            faults.append(f'"{name}" differs')
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
    if row.keys() - {"empty", "retracted"} != names:
        return f"has {sorted(row)}"
    for name in ("empty", "retracted"):
        if row.get(name, True) is not True:
            return f'"{name}" is there but not true'
    if type(row[view.source.entity]) is not str:
        return "the key is no string"
    for name in ("window_start", "window_end", "revision"):
        if type(row[name]) is not Number or not row[name].lstrip("-").isdigit():
            return f"{name} is no integer"
    return None


def _window(view, row):
    """(view, key, start, end, which of several lifetimes with these bounds)."""
    start, end = int(row["window_start"]), int(row["window_end"])
    return (view.name, row[view.source.entity], start, end, 0)


def _describe(window):
    view, key, start, end, _ = window
    return f"{view} {key!r} [{start}, {end})"


# Values


def value_matches(wanted, actual):
    """A value of the reference against one that was read from JSON, its numbers as text."""
    if isinstance(wanted, Histogram):
        return _is_count_map(actual) and wanted.matches(
            {name: int(count) for name, count in actual.items()}
        )
    if isinstance(wanted, Top):
        return _top_matches(wanted, actual)
    if isinstance(wanted, dict):
        return _is_count_map(actual) and wanted == {
            name: int(count) for name, count in actual.items()
        }
    if isinstance(wanted, list):
        return (
            type(actual) is list
            and len(actual) == len(wanted)
            and all(map(value_matches, wanted, actual))
        )
    if wanted is None or isinstance(wanted, bool):
        return actual is wanted
    if isinstance(wanted, (Approx, Quantile)):
        return type(actual) is Number and wanted.matches(float(actual))
    if isinstance(wanted, float):
        return type(actual) is Number and float(actual) == wanted
    if isinstance(wanted, (int, DecimalText)):
        return type(actual) is Number and str(actual) == str(wanted)
    return type(actual) is str and actual == wanted


def _top_matches(wanted, actual):
    if wanted.n is None:
        actual = [] if actual is None else [actual]
    if type(actual) is not list:
        return False
    texts = [_text_as_key(value, wanted.kind) for value in actual]
    return None not in texts and wanted.matches(texts)


def _text_as_key(value, kind):
    """A value read from JSON as the key that a map would have for it; None if of a wrong type."""
    if kind == "bool":
        return map_key(value, kind, 0) if type(value) is bool else None
    if kind == "string":
        return value if type(value) is str else None
    if type(value) is not Number:
        return None
    return map_key(float(value), kind, 0) if kind == "double" else str(value)


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
    if isinstance(wanted, Top) and wanted.n is None and wanted.kind == "string":
        return value_matches(wanted, text)
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
            if not all(_may_miss(expected, key, name, value) for name, value in fields.items()):
                report.add("missing key", f"{key!r}: {_fields_line(fields)}")
            continue
        _compare_hash(expected, key, fields, actual[key], report)
    for key in actual.keys() - expected.redis.keys():
        if actual[key].keys() <= expected.open.get(key, set()):
            continue
        report.add("key not expected", f"{key!r}: {actual[key]}")
    return report.lines()


def _compare_hash(expected, key, wanted, actual, report):
    faults = []
    undefined = expected.open.get(key, ())
    for name, value in wanted.items():
        if name in undefined:
            continue
        if name not in actual:
            if not _may_miss(expected, key, name, value):
                faults.append(f"{name} is missing, wanted {as_text(value)}")
        elif name in expected.loose:
            if not actual[name].isdigit():
                faults.append(f"{name} is {actual[name]!r}, no time")
        elif not text_matches(value, actual[name]):
            faults.append(f"{name} is {actual[name]!r}, wanted {as_text(value)!r}")
    for name in actual.keys() - wanted.keys() - set(undefined):
        view, _, metadata = name.rpartition(".")
        if metadata != "computed_at" or f"{view}.window_end" not in actual:
            faults.append(f"{name} is {actual[name]!r}, not expected")
    for name in actual:
        view, _, metadata = name.rpartition(".")
        if metadata == "window_end" and not actual.get(f"{view}.computed_at", "").isdigit():
            faults.append(f"{view}.computed_at is no time")
    if faults:
        report.add("differing", f"{key!r}: " + "; ".join(faults))


def _may_miss(expected, key, name, value):
    optional = name in expected.optional.get(key, ()) or name in expected.open.get(key, ())
    return optional or (isinstance(value, Top) and value_matches(value, None))


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
    if isinstance(value, Quantile):
        return f"{value.value!r} ± 1 %"
    if isinstance(value, Top):
        return f"{value.plain} or what is as frequent within {value.slack:.3g}"
    if isinstance(value, Histogram):
        return f"{value.limit} entries or fewer of {value.counts}"
    return repr(value)
