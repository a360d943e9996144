"""Seeded traffic for any pipeline file: what producers send, and what they should not.

`traffic()` reads a pipeline file and fills each of its topics with records that look like real ones
and that seek out the edges of the definitions: event times on window boundaries and 1 ms beside
them, users that pause and come back, a user's events a session's gap apart, duplicates near and
far, partitions that fall silent, disorder within and beyond the bounds, and every kind of bad
record. The same seed gives the same records.

What the interleaving of a shuffled source's partitions would decide is left out, as the reference
cannot know it: duplicates are in one partition, and where there are session views, an event further
behind its own partition's watermark than the allowed lateness is its user's only one.
"""

import json
import random
import re
import zlib
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import accumulate

import yaml

from reference import Record
from reference.pipeline import read_pipeline
from reference.values import ABSENT

HOUR = 3_600_000
START = 1_700_006_400_000  # a round hour

# What fields of these names hold, the more frequent first; others get values by their type.
DOMAINS = {
    "event_type": ["page_view", "click", "add_to_cart", "search", "purchase", "logout"],
    "page": ["/", "/product/widget-pro", "/cart", "/search?q=shoes", "/produit/été", "/商品/7"],
    "category": ["shoes", "toys", "books", "garden", "música", "electronics"],
    "currency": ["EUR", "USD", "GBP", "JPY"],
    "country": ["DE", "FR", "US", "BR", "IN", "NG"],
    "status": ["approved", "declined", "review"],
    "device": ["ios", "android", "web"],
}
POOL_SIZES = {"page": 40, "item_id": 90, "sku": 900, "merchant": 70, "merchant_id": 70, "ip": 200}

ODD_USERS = [
    "naïve ü", "用户7", "emoji 😀", 'quote " and \\ slash', "line\nbreak", "{user_id}", "a:b:c",
    "0", "null", " ", "x" * 300, "nul\x00inside",
]


@dataclass(frozen=True)
class Traffic:
    """How much of what. Shares are of all records."""

    records: int
    seed: int
    partitions: int = 16
    users: int = 1000
    span_ms: int = 12 * HOUR
    keyed: bool = True  # false: records go to random partitions
    bad: float = 0.02
    odd_users: bool = True
    silences: int = 3  # stretches without any event, several windows long


_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")


class Raw(str):
    """JSON text that goes into a document as it stands."""


def traffic(pipeline_text, spec):
    """{topic: {partition: [Record]}} for all sources of a pipeline file."""
    pipeline = read_pipeline(pipeline_text)
    literals = _literals(yaml.load(pipeline_text, Loader=yaml.BaseLoader)["views"])
    topics = {}
    for source in pipeline.sources:
        views = [view for view in pipeline.views if view.source is source]
        rng = random.Random(f"{spec.seed}/{source.name}")
        topics[source.topic] = _Producer(source, views, literals, spec, rng).produce()
    return topics


def _literals(node, found=None):
    """{field: values that some `where` names}: records should meet these often."""
    found = {} if found is None else found
    if isinstance(node, dict):
        for name, wanted in node.items():
            texts = [wanted] if isinstance(wanted, str) else wanted
            if isinstance(texts, dict):
                texts = list(texts.values())
            found.setdefault(name, []).extend(text for text in texts if isinstance(text, str))
            _literals(wanted, found)
    elif isinstance(node, list):
        for entry in node:
            _literals(entry, found)
    return found


class _Producer:
    """All records of one topic, in the order in which they are sent."""

    def __init__(self, source, views, literals, spec, rng):
        self.source = source
        self.views = views
        self.spec = spec
        self.rng = rng
        self.users = self._users()
        self.known_users = set(self.users)
        self.pools = {
            field.name: _pool(field, literals.get(field.name, []), rng)
            for field in source.fields.values()
        }
        self.longest = max((view.size or view.gap for view in views), default=0) or HOUR
        self.one_time_users = 0
        self.last_time = START
        # How far apart two events of a user are on the edge of what a view tells apart.
        self.edges = [view.gap for view in views if view.kind == "session"]
        self.edges += [view.state_ttl for view in views if view.kind == "lifetime"]
        self.time_of = {}  # user → their newest event's time
        self.recent = deque(maxlen=200)  # (user, id, time, partition): what may come twice
        self.ids = 0
        self.id = None  # of the event at hand
        self.newest = {}  # partition → newest event time
        # A session that may be closed or not: see the top of the file.
        has_sessions = any(view.kind == "session" for view in views)
        self.decided = has_sessions and not source.aligned

    def produce(self):
        partitions = {number: [] for number in range(self.spec.partitions)}
        silent = self._silent_from()
        for now in self._arrivals():
            user, number, time = self._next(now)
            if now >= silent.get(number, now + 1):
                continue
            records = partitions[number]
            records.append(self._record(len(records), user, time, now, number))
        return partitions

    def _next(self, now):
        """Who, in which partition, and when; whose event it is again, if it is a duplicate."""
        rng, dedup = self.rng, self.source.dedup
        if dedup and self.recent and rng.random() < 0.1:
            # Mostly of the last few, all of the time span apart now and then.
            back = int(len(self.recent) ** rng.random())
            user, self.id, time, number = self.recent[-back]
            if rng.random() < 0.5:
                apart = rng.choice((0, 0, 1, dedup.within, dedup.within + 1)) * rng.choice((-1, 1))
                time = self._not_ahead(time + apart, now)
            else:
                time = self._event_time(user, now)
            return self._decided(user, number, time)
        user = self._user(now)
        number = self._partition(user)
        self.ids += 1
        self.id = self.ids
        if self.spec.keyed and self.recent and rng.random() < 0.01:
            self.id = self.recent[-1][1]  # most likely another's: an id is one of a key
        return self._decided(user, number, self._event_time(user, now))

    def _decided(self, user, number, time):
        source = self.source
        latest = self.newest.get(number, 0) - source.out_of_orderness
        earliest = latest - source.allowed_lateness + 1
        if self.decided and time < earliest:
            if self.rng.random() < 0.3:
                self.ids += 1
                self.id = self.ids
                return self._new_user(), number, time
            time = earliest
        return user, number, time

    # When

    def _arrivals(self):
        """The instants at which records are sent: even on the whole, with a few silences."""
        spec, rng = self.spec, self.rng
        weights = [rng.random() + 0.05 for _ in range(spec.records)]
        for _ in range(min(spec.silences, spec.records)):
            share = min(3 * self.longest / spec.span_ms, 0.1)
            weights[rng.randrange(spec.records)] += share * spec.records / 2
        scale = spec.span_ms / sum(weights)
        return [START + int(elapsed * scale) for elapsed in accumulate(weights)]

    def _silent_from(self):
        """Some partitions end earlier than the rest, so their watermarks stay behind."""
        count = self.spec.partitions // 5
        return {
            self.rng.randrange(self.spec.partitions): START
            + int(self.spec.span_ms * self.rng.uniform(0.5, 0.95))
            for _ in range(count)
        }

    def _not_ahead(self, time, now):
        return max(min(time, now + self.source.max_future), 0)

    def _event_time(self, user, now):
        """The event's time: somewhat before it is sent, rarely long before or a little after."""
        rng, source = self.rng, self.source
        if self.edges and user in self.time_of and rng.random() < 0.1:
            time = self.time_of[user] + rng.choice((1, 1, -1)) * rng.choice(self.edges)
            time += rng.choice((-1, 0, 0, 1))
            if abs(time - now) <= source.out_of_orderness + source.allowed_lateness:
                return self._not_ahead(time, now)
        orderly, allowed = source.out_of_orderness, source.allowed_lateness
        kind = rng.random()
        if kind < 0.60:
            time = now - rng.randint(0, orderly // 10 + 50)
        elif kind < 0.88:
            time = now - rng.randint(0, orderly + 1)
        elif kind < 0.94:
            time = now - orderly - rng.randint(0, allowed + 1)
        elif kind < 0.955:
            time = now - orderly - allowed - rng.randint(0, 2 * self.longest)
        elif kind < 0.96:
            time = now + rng.randint(0, min(source.max_future, 2000))
        elif kind < 0.9602:
            time = now + source.max_future  # as far ahead as is allowed
        else:
            time = self.last_time  # two events of one instant
        views = [view for view in self.views if view.slide]
        if views and rng.random() < 0.12:
            view = rng.choice(views)
            boundary = (time - view.offset) // view.slide * view.slide + view.offset
            time = boundary + rng.choice((-1, 0, 0, 1))
        self.last_time = time
        return max(time, 0)

    # Who

    def _users(self):
        """Zipf-like: the first few cause a good part of the traffic."""
        count = self.spec.users
        names = [f"user_{number}" for number in range(count)]
        if self.source.fields[self.source.entity].kind == "int64":
            names = [str(number * 7919 - count) for number in range(count)]
        elif self.spec.odd_users:
            names[5 : 5 + len(ODD_USERS)] = ODD_USERS[: max(count - 5, 0)]
        return names

    def _user(self, now):
        rng = self.rng
        if rng.random() < 0.003:
            return self._new_user()
        # Each user is active for a part of the time: they go away, and many come back.
        phase = (now - START) * 8 // self.spec.span_ms
        for _ in range(10):
            rank = int(len(self.users) ** rng.random()) - 1
            if zlib.crc32(b"%d/%d" % (rank, phase)) % 100 < 60:
                break
        return self.users[rank]

    def _new_user(self):
        """Seen once and never again."""
        self.one_time_users += 1
        number = 10**6 + self.one_time_users
        return str(number) if self._int_keys() else f"once_{number}"

    def _int_keys(self):
        return self.source.fields[self.source.entity].kind == "int64"

    def _partition(self, user):
        """Keyed topics leave the last partition empty."""
        if not self.spec.keyed:
            return self.rng.randrange(self.spec.partitions)
        return zlib.crc32(user.encode()) % max(self.spec.partitions - 1, 1)

    # What

    def _record(self, offset, user, time, now, number):
        rng = self.rng
        timestamp = None if rng.random() < 0.02 else max(now, time - self.source.max_future)
        if rng.random() < self.spec.bad:
            value, timestamp = self._bad_value(user, time, now, timestamp)
        else:
            value = self._value(user, time)
            self.newest[number] = max(time, self.newest.get(number, 0))
            if user in self.known_users:
                self.time_of[user] = max(time, self.time_of.get(user, 0))
                self.recent.append((user, self.id, time, number))
        key = user.encode() if rng.random() < 0.98 else None
        return Record(offset, timestamp, key, value)

    def _document(self, user, time):
        """The JSON document of an event as nested dicts."""
        document = {}
        for field in self.source.fields.values():
            if field.name == self.source.entity:
                _put(document, field.path, Raw(user) if field.kind == "int64" else user)
            elif not _may_miss(field) or self.rng.random() < 0.8:
                _put(document, field.path, self._field_value(field, time))
            elif self.rng.random() < 0.3:
                # null, or a path that ends early: both count as missing.
                _put(document, field.path[: self.rng.randint(1, len(field.path))], None)
        _put(document, self.source.time_path, self._spelled_time(time))
        if self.rng.random() < 0.2:
            document["unknown_" + str(self.rng.randrange(3))] = self.rng.choice(
                [1, None, [1, {"a": []}], {"user_id": "not this one"}, "text", Raw("1e-7"), True]
            )
        return document

    def _value(self, user, time):
        return _text(self._document(user, time), self.rng).encode()

    def _field_value(self, field, time):
        pool = self.pools[field.name]
        if self.source.dedup and field.name == self.source.dedup.field:
            return Raw(self.id) if field.kind == "int64" else f"{field.name}_{self.id}"
        if field.kind == "timestamp":
            instant = time - self.rng.randint(0, HOUR)
            return Raw(instant) if self.rng.random() < 0.5 else _iso_8601(instant, self.rng)
        return pool[int(len(pool) ** self.rng.random()) - 1]

    def _spelled_time(self, time):
        rng, unit = self.rng, self.source.time_unit
        if unit == "ms":
            return Raw(time)
        if unit == "us":
            return Raw(time * 1000 + rng.randrange(1000))
        if unit == "iso8601":
            return _iso_8601(time, rng)
        seconds, ms = divmod(time, 1000)
        if ms == 0 and rng.random() < 0.5:
            return Raw(seconds)
        # Further digits that do not change which ms is nearest.
        tail = rng.choice(["", "", "", "0", "4999", "1234567"])
        return Raw(f"{seconds}.{ms:03}{tail}")

    # What should not be

    def _bad_value(self, user, time, now, timestamp):
        """(value, record timestamp): one of the ways to be a dead letter."""
        rng, source = self.rng, self.source
        good = self._value(user, time)
        kind = rng.randrange(8)
        if kind == 0:
            return None, timestamp
        if kind == 1:
            return rng.choice(_malformed(good)), timestamp
        if kind == 2:  # ahead of its record by more than is allowed
            ahead = rng.choice([1, 1000, HOUR, 10 * 365 * 24 * HOUR])
            document = self._document(user, now + source.max_future + ahead)
            return _text(document, rng).encode(), now
        document = self._document(user, time)
        if kind == 3:  # the time, the entity or a required field is not there
            required = [field.path for field in source.fields.values() if not _may_miss(field)]
            path = rng.choice([source.time_path, *required])
            _put(document, path, None)
        elif kind == 4:
            bad_times = ["soon", Raw("-1"), Raw("-5000.5"), True, [], Raw("1e30"), Raw("1" * 25)]
            _put(document, source.time_path, rng.choice(bad_times))
        elif kind == 5:
            empty = Raw("1.0") if self._int_keys() else ""
            _put(document, source.fields[source.entity].path, empty)
        else:
            field = rng.choice(list(source.fields.values()))
            _put(document, field.path, rng.choice(_wrong(field.kind)))
        return _text(document, rng).encode(), timestamp


def _may_miss(field):
    return field.optional or field.default is not ABSENT


def _pool(field, literals, rng):
    """The values that a field takes, the frequent ones first, as JSON."""
    size = POOL_SIZES.get(field.name, 12)
    if field.kind == "bool":
        return [False, True]
    if field.kind == "string":
        values = [text for text in literals if text not in ("true", "false")]
        values += DOMAINS.get(field.name, [])
        more = size - len(values) if field.name not in DOMAINS or field.name in POOL_SIZES else 0
        return values + [f"{field.name}_{number}" for number in range(more)]
    values = [Raw(text) for text in literals if _NUMBER.match(text)]
    if field.kind == "int64":
        return values + [Raw(rng.randint(-5, 300)) for _ in range(size)]
    if field.kind == "double":
        numbers = [round(rng.gauss(20, 50), rng.randint(0, 6)) for _ in range(size * 4)]
        return values + [Raw(repr(number)) for number in numbers]
    return values + _amounts(size * 4, rng)


def _amounts(count, rng):
    """Decimals, also with more digits than are kept, fewer, and in exponent form."""
    spellings = []
    for _ in range(count):
        cents = rng.randint(1, 50_000) if rng.random() < 0.9 else rng.randint(-2000, 0)
        whole, fraction = divmod(abs(cents), 100)
        text = f"{'-' if cents < 0 else ''}{whole}.{fraction:02}"
        odd = rng.choice([text + "5", text + "4999", text + "e1", f"{cents}e-2"])
        spellings.append(Raw(odd if rng.random() < 0.5 else text))
    return spellings


def _wrong(kind):
    """JSON values that are no value of a field type: of a wrong type, or out of range."""
    wrong = {
        "string": [Raw("1"), True, {}, [], ["a"]],
        "bool": [Raw("0"), "true", "", {}],
        "int64": ["1", True, Raw("1.0"), Raw("1e3"), Raw("9223372036854775808"), {}, []],
        "double": ["1.5", False, Raw("1e400"), [], {}],
        "decimal": ["1.5", False, Raw("1e30"), Raw("-92233720368547758080"), {}, []],
        "timestamp": [True, Raw("-1"), Raw("1.5"), "tomorrow", {}, "2023-02-30T00:00:00Z"],
    }
    return wrong[kind]


def _malformed(good):
    return [
        b"",
        b"garbage",
        good[:-1],
        good[: len(good) // 2],
        good + b"}",
        b"[" + good + b"]",
        good.replace(b"{", b'{"x":NaN,', 1),
        good.replace(b"{", b'{"x":01,', 1),
        good.replace(b"{", b'{"x":"tab\there",', 1),
        good.replace(b"{", b'{"x":"\\ud800",', 1),
        good.replace(b"{", b'{"x":"\xc3\x28",', 1),
        good.replace(b"{", b'{"x":"\xed\xa0\x80",', 1),
        b"\xff\xfe" + good,
    ]


def _put(document, path, value):
    for name in path[:-1]:
        inner = document.get(name)
        if not isinstance(inner, dict):
            inner = document[name] = {}
        document = inner
    document[path[-1]] = value


def _text(value, rng):
    """JSON text with Raw tokens as they stand; strings now escaped, now in UTF-8."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        colon, comma = rng.choice(((":", ","), (": ", ", ")))
        names = (f"{json.dumps(name)}{colon}{_text(inner, rng)}" for name, inner in value.items())
        return "{" + comma.join(names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(inner, rng) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


def _iso_8601(time, rng):
    """An instant in one of its spellings."""
    zone = rng.choice([None, "Z", "Z", 0, 60, 330, -480])
    minutes = zone if isinstance(zone, int) else 0
    local = datetime.fromtimestamp(0, timezone.utc) + timedelta(milliseconds=time, minutes=minutes)
    text = local.strftime("%Y-%m-%dT%H:%M:%S")
    if time % 1000 or rng.random() < 0.5:
        text += f".{time % 1000:03}" + rng.choice(["", "", "999", "000000"])
    if isinstance(zone, int):
        return f"{text}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    return text + (zone or "")

