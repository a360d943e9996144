"""Bad and odd input (section 10), value by value: what is taken, what refused, how it is shown."""

import json

import compare
from harness import dump, load, require, test
from reference import Record, compute

# One view over events that are all their own user, so each row shows one event as it was decoded;
# its window starts at the event's time. Records come in the order of their times, so none is late.
_PIPELINE = """
pipeline: input
kafka: {brokers: to be set, group: to be set}
redis: {url: to be set, key: "f:{user}"}
sources:
  events:
    topic: events
    format: json
    partitioning: aligned
    entity: user
    time: {field: meta.at, unit: ms}
    fields:
      i: {type: int64, optional: true}
      user: string
      x: {type: double, optional: true}
      d: {type: decimal(2), optional: true}
      d0: {type: decimal(0), optional: true}
      d9: {type: decimal(9), optional: true}
      b: {type: bool, optional: true}
      s: {type: string, optional: true}
      w: {type: timestamp, optional: true}
      page: {path: properties.page, type: string, default: unknown}
      required: {type: int64, default: 7}
    late_topic: late
    dead_letter_topic: dlq
views:
  decoded:
    source: events
    window: {tumbling: 1ms}
    features:
      i: {min: i}
      x: {min: x}
      d: {min: d}
      d0: {min: d0}
      d9: {min: d9}
      b: {histogram: b}
      s: {histogram: s}
      w: {min: w}
      page: {histogram: page}
      required: {min: required}
"""

_VALUES = {
    "i": """0 -0 1 -1 9223372036854775807 -9223372036854775808 9223372036854775808
        -9223372036854775809 1.0 1e3 1E0 0.5 100000000000000000000000000 "1" true null [] {}""",
    "x": """0 -1 0.1 1e308 1.7976931348623157e308 1e309 -1e309 1e-400 5e-324 123456789012345678901
        0.30000000000000004 2.2250738585072011e-308 "1" false null [1] {"a":1}""",
    "d": """0 1 1.5 1.005 -1.005 1.00499999999999999999999 2.675 0.005 -0.005 0.0049999 1.5e1 15e-1
        1e-99999 0e99999 92233720368547758.07 -92233720368547758.08 92233720368547758.08
        92233720368547758.075 92233720368547758.074 1e17 1e999999999 "1.5" true null""",
    "d0": "0 0.5 -0.5 1.4999 1e18 9223372036854775807 9223372036854775807.5",
    "d9": "0.0000000005 0.0000000004 -0.0000000005 9223372036.854775807 9223372036.854775808 1e-9",
    "b": 'true false null 0 1 "true" []',
    "s": r""""" "a" "\u00e9" "é" "\ud83d\ude00" "😀" "\"\\\/\b\f\n\r\t" "\u0000" "\\ud800" "\u2028"
        "__other__" 1 true null [] {}""",
    "w": """0 1 253402300799999 253402300800000 -1 1.5 true null [] "1970-01-01T00:00:00Z"
        "2024-02-29T12:34:56.789Z" "2023-02-29T00:00:00Z" "2024-02-29T12:34:56.7899999+05:30"
        "2024-02-29T12:34:56" "1969-12-31T23:59:59Z" "9999-12-31T23:59:59.999Z" "tomorrow" ""
        "5" """,
    "required": 'null 8 "8"',
}

_TIMES = {
    "ms": """0 1 1700000000000 253402300799999 253402300800000 -1 1.5 1.0 1e3
        99999999999999999999999""",
    "us": "0 999 1000 1700000000000999 253402300799999999 253402300800000000 -1 1.5",
    "s": """0 1 1.0004 1.0005 1700000000.0015 1.5e3 -0.0004 -0.0005 253402300799.9994
        253402300799.9995 1e400 1e-400 0.0004999999999999999999999""",
    "iso8601": """"1970-01-01T00:00:00Z" "1970-01-01T00:00:00" "1970-01-02T00:00:00.1"
        "1970-01-01T01:00:00.0019999+01:00" "1969-12-31T23:00:00-02:30" "2024-02-29T12:34:56.789Z"
        "9999-12-31T23:59:59.999999Z" "1969-12-31T23:59:59.999Z" "2023-02-29T00:00:00Z"
        "2023-13-01T00:00:00Z" "2023-00-01T00:00:00Z" "2023-01-01T25:00:00Z" "2023-01-01T00:60:00Z"
        "2023-01-01T00:00:00+24:00" "10000-01-01T00:00:00Z" "now" "" "2023-01-01T00:00:00Zx" """,
}
_TIMES_OF_NO_UNIT = 'true null [] {} "x"'

_GOOD = '{"meta":{"at":1},"user":"u"}'

_DOCUMENTS = [
    b"", b" ", b"[]", b"1", b'"x"', b"null", b"garbage", b"\x00", b"\xff\xfe{}",
    _GOOD.encode() + b"x", _GOOD.encode() + b"{}", _GOOD.encode()[:-1], _GOOD.encode() + b"\n\t \r",
    b" \n" + _GOOD.encode(), b"{'a':1}", b"{}",
    *(b'{"meta":{"at":1},"user":"u","z":%s}' % value for value in [
        b"NaN", b"Infinity", b"-Infinity", b"01", b"1.", b".5", b"+1", b"-", b"1e", b"tru", b"[1,]",
        b'"\t"', b'"\x00"', b'"\x1f"', b'"\x7f"', rb'"\ud800"', rb'"\udc00\ud800"', rb'"\x41"',
        rb'"\u12"', b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xf5\x80\x80\x80"', b"1e999",
        b"123456789012345678901234567890", b'"unclosed', b"{", b"[1 2]", b'{"a" 1}', b'{"a":1,}',
        b"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", rb'{"\ud83d":1}', rb'"\ud83d\ude00"',
    ]),
    # A name that stands twice: the last wins, and the first must be valid too.
    b'{"user":"first","meta":{"at":1},"user":"second"}',
    b'{"properties":{"page":"a"},"properties":{"page":"b","page":"c"},"meta":{"at":1},"user":"p"}',
    b'{"properties":{"page":"a"},"properties":{},"meta":{"at":1},"user":"q"}',
    rb'{"user":"\ud800","user":"u","meta":{"at":1}}',
    # What is missing: time, entity, or the way to them.
    b'{"user":"u"}', b'{"meta":{},"user":"u"}', b'{"meta":null,"user":"u"}',
    b'{"meta":3,"user":"u"}', b'{"meta":{"at":1}}', b'{"meta":{"at":1},"user":null}',
    b'{"meta":{"at":1},"user":""}',
    b'{"meta":{"at":1},"user":7}', b'{"meta.at":1,"user":"u"}',
    b'{"meta":{"at":1},"user":"r","properties":null}',
    b'{"meta":{"at":1},"user":"t","properties":"x"}',
    b'{"meta":{"at":1},"user":"v","properties":{"page":null}}',
    # Two faults: the time comes first, then the fields as declared, the empty entity last.
    b'{"meta":{"at":"x"},"user":1,"i":"x"}', b'{"meta":{"at":1},"user":"","b":1,"i":"x"}',
    b'{"meta":{"at":1},"user":"","b":1}', b'{"meta":{"at":1},"b":1}',
]  # fmt: skip


def _tokens(text):
    """JSON values, separated by blanks."""
    values, decoder, place = [], json.JSONDecoder(strict=False), 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        _, end = decoder.raw_decode(text, place)
        values.append(text[place:end])
        place = end
    return values


@test("input/values")
def values(lab):
    """Each value of each field type."""
    documents = [
        f'{{"meta":{{"at":{number}}},"user":"{name}{number}","{name}":{value}}}'.encode()
        for name, texts in _VALUES.items()
        for number, value in enumerate(_tokens(texts))
    ]
    _judge_documents(lab, _PIPELINE, documents, sort=True)


@test("input/documents")
def documents(lab):
    """Whole documents, most of them broken; null and keyless records among them."""
    _judge_documents(lab, _PIPELINE, [None, *_DOCUMENTS, None], sort=False)


def _register_times():
    for unit in _TIMES:
        test(f"input/times/{unit}")(lambda lab, unit=unit: _times(lab, unit))


def _times(lab, unit):
    document = load(_PIPELINE)
    document["sources"]["events"]["time"]["unit"] = unit
    documents = [
        f'{{"meta":{{"at":{value}}},"user":"u{number}"}}'.encode()
        for number, value in enumerate(_tokens(_TIMES[unit]) + _tokens(_TIMES_OF_NO_UNIT))
    ]
    _judge_documents(lab, dump(document), documents, sort=True)


def _judge_documents(lab, pipeline, documents, sort):
    """`sort`: in the order of event times (as the reference decodes them), so that none is late."""
    text = lab.pipeline(pipeline)
    (topic,) = [spec["topic"] for spec in load(text)["sources"].values()]
    if sort:
        documents = sorted(documents, key=lambda value: _decoded_time(text, topic, value))
    topic_records = [Record(n, None, b"k%d" % n, value) for n, value in enumerate(documents)]
    records = {topic: {0: topic_records}}
    lab.fill(text, records)
    job = lab.job(text)
    lab.run_bounded(job)
    lab.judge(job, records, compute(text, records))


def _decoded_time(text, topic, value):
    watermarks = compute(text, {topic: {0: [Record(0, None, None, value)]}}).watermarks
    return watermarks.get(("events", 0), -1)


@test("input/raw")
def raw(lab):
    """How dead letters show what they are about: base64, cut at 256 KiB, keys and timestamps."""
    limit = compare.RAW_LIMIT
    values = [
        b"x" * limit, b"x" * (limit + 1), b"x" * (limit * 3), "é".encode() * limit,
        b"x" + "é".encode() * limit, b"\xff" * 1000, b"\xff" * limit * 2, b"ok \xc3\xa9 \xff",
        'quote " \\ \n \x00 \u2028'.encode(), b"", None,
    ]  # fmt: skip
    text = lab.pipeline(_PIPELINE)
    topic = load(text)["sources"]["events"]["topic"]
    keys = [b"key", None, b"", b"\xff\x00", "ключ".encode()]
    records = {
        topic: {
            0: [
                Record(n, [1_700_000_000_000 + n, None][n % 2], keys[n % len(keys)], value)
                for n, value in enumerate(values)
            ]
        }
    }
    lab.fill(text, records)
    job = lab.job(text)
    lab.run_bounded(job)
    lab.judge(job, records, compute(text, records))


@test("input/future")
def future(lab):
    """max_future is measured against the record's own timestamp, one of the broker's too."""
    now = 1_700_000_000_000
    times = [(now, now + 60_000), (now, now + 60_001), (None, now + 10**9), (now + 10**9, now)]
    text = lab.pipeline(_PIPELINE, source={"out_of_orderness": "10000h"})
    topic = load(text)["sources"]["events"]["topic"]
    events = [
        Record(n, timestamp, b"k", b'{"meta":{"at":%d},"user":"u%d"}' % (time, n))
        for n, (timestamp, time) in enumerate(times)
    ]
    far = 4_000_000_000_000
    events.append(Record(len(events), None, b"k", b'{"meta":{"at":%d},"user":"far"}' % far))
    for timestamp_type in ("CreateTime", "LogAppendTime"):
        own = text.replace(topic, f"{topic}.{timestamp_type}")
        name = f"{topic}.{timestamp_type}"
        lab.fill(own, {name: {0: events}}, timestamp_type)
        records = {name: lab.broker.read(name)}  # with the timestamps that the broker gave
        job = lab.job(own)
        lab.run_bounded(job)
        expected = compute(own, records)
        lab.judge(job, records, expected)
        refused = {letter["offset"] for letter in expected.dead_letters}
        wanted = {1} if timestamp_type == "CreateTime" else {4}
        require(refused == wanted, f"{timestamp_type}: the reference refuses {refused}")


@test("input/saturation")
def saturation(lab):
    """Sums beyond int64 stay at its ends."""
    document = load(_PIPELINE)
    document["views"]["decoded"]["window"] = {"tumbling": "1s"}
    document["views"]["decoded"]["features"] = {"i": {"sum": "i"}, "d": {"sum": "d"}}
    text = lab.pipeline(dump(document))
    topic = load(text)["sources"]["events"]["topic"]
    rows = [
        ("up", "9223372036854775807", "92233720368547758.07"),
        ("up", "1", "0.01"),
        ("down", "-9223372036854775808", "-92233720368547758.08"),
        ("down", "-1", "-0.01"),
        ("edge", "9223372036854775806", "92233720368547758.06"),
        ("edge", "1", "0.01"),
    ]
    values = [
        f'{{"meta":{{"at":{n}}},"user":"{user}","i":{i},"d":{d}}}'.encode()
        for n, (user, i, d) in enumerate(rows)
    ]
    records = {topic: {0: [Record(n, None, b"k", value) for n, value in enumerate(values)]}}
    lab.fill(text, records)
    job = lab.job(text)
    lab.run_bounded(job)
    lab.judge(job, records, compute(text, records))


@test("input/transactions")
def transactions(lab):
    """A topic written in transactions: aborted records are not seen, and a bounded run ends
    although the last offset is a marker, which no reader is ever given."""
    text = lab.pipeline(_PIPELINE)
    topic = load(text)["sources"]["events"]["topic"]
    lab.broker.create_topic(topic, 2)
    number = iter(range(1000))

    def rows(count):
        for _ in range(count):
            n = next(number)
            yield 1_700_000_000_000, b"k", b'{"meta":{"at":%d},"user":"u%d"}' % (n, n)

    batches = [
        (0, list(rows(5)), True),
        (0, list(rows(3)), False),
        (1, list(rows(2)), False),
        (0, list(rows(4)), True),
        (0, list(rows(2)), False),
    ]
    visible = lab.broker.produce_in_transactions(topic, batches)
    require(sum(map(len, visible.values())) == 9, f"not 9 committed records: {visible}")
    job = lab.job(text)
    lab.run_bounded(job, seconds=60)
    records = {topic: {0: visible[0], 1: []}}
    problems = compare.redis(compute(text, records), job.redis.hashes())
    require(not problems, "\n".join(problems))


@test("input/empty")
def empty(lab):
    """Nothing to read: a bounded run ends at once and leaves nothing."""
    text = lab.pipeline(_PIPELINE)
    topic = load(text)["sources"]["events"]["topic"]
    records = {topic: {0: [], 1: []}}
    lab.fill(text, records)
    job = lab.job(text, shards=2)
    lab.run_bounded(job, seconds=60)
    lab.judge(job, records, compute(text, records))


_register_times()
