/* Wrong pipeline files and what is said about them, word by word and at the very place. */
#include "plan_test.h"

#define WINDOW "window: {sliding: 1h, every: 10m}"
#define COUNT  "n: {count: true}"
#define NAMES  "letters, digits, _ . and -, a letter or _ first, at most 128"
#define FORM   "write an integer with ms, s, m, h or d, such as 30s or 1h30m"
#define LATER  " is not supported by this version yet\n"
#define YEARS  "3660d"

static void the_base_file_is_right(void **state)
{
    (void)state;
    plan_free(plan_of(BASE_FILE));
}

static void sections_and_keys(void **state)
{
    static const struct mistake_case cases[] = {
        {"pipeline: p\n", "", "1:1: the pipeline file has no pipeline\n"},
        {"kafka: {}\n", "", "1:1: the pipeline file has no kafka\n"},
        {"views:\n", "view:\n",
         "16:1: unknown key \"view\" in the pipeline file; did you mean \"views\"?\n"},
        {"sources:\n", "surces:\n",
         "3:1: unknown key \"surces\" in the pipeline file; did you mean \"sources\"?\n"},
        {"kafka: {}\n", "kafka: {}\nxyzzy: 1\n",
         "3:1: unknown key \"xyzzy\" in the pipeline file; valid: pipeline, kafka, redis, sources, "
         "views, state, checkpoint, engine, admin, outputs\n"},
        {"kafka: {}", "kafka: 7", "2:8: kafka must be a mapping: name: value\n"},
        {"kafka: {}", "kafka: [a]", "2:8: kafka must be a mapping: name: value\n"},
        {"kafka: {}", "kafka: {brokers: [a, b]}",
         "2:18: brokers must be a single value, not a list\n"},
        {"kafka: {}", "kafka: {brokers: {a: b}}",
         "2:18: brokers must be a single value, not a mapping\n"},
        {"kafka: {}", "kafka: {brokers: }", "2:9: brokers has no value\n"},
        {"kafka: {}", "kafka: {brokers: ''}", "2:18: brokers is empty\n"},
        {"kafka: {}", "kafka: {brokers: \"a\\tb\"}",
         "2:18: brokers: \"a\\tb\" has control characters\n"},
        {"kafka: {}", "kafka: {properties: 7}",
         "2:21: properties must be a mapping: name: value\n"},
        {"kafka: {}", "kafka: {properties: {a: [1]}}",
         "2:25: a must be a single value, not a list\n"},
        {"pipeline: p", "pipeline: 1st", "1:11: \"1st\" is not a name for a pipeline: " NAMES "\n"},
        {"  s:\n", "  s s:\n",
         "4:3: \"s s\" is not a name for a source: " NAMES "\n"
         "18:13: source: there is no source \"s\"; valid: s s\n"},
        {"pipeline: p", "pipeline: -p", "1:11: \"-p\" is not a name for a pipeline: " NAMES "\n"},
        {"pipeline: p", "pipeline: a:b", "1:11: \"a:b\" is not a name for a pipeline: " NAMES "\n"},
        {"pipeline: p", "pipeline: 'a['", "1:11: \"a[\" is not a name for a pipeline: " NAMES "\n"},
        {"pipeline: p", "pipeline: 'a{'", "1:11: \"a{\" is not a name for a pipeline: " NAMES "\n"},
        {"  v:\n", "  'v?':\n", "17:3: \"v?\" is not a name for a view: " NAMES "\n"},
        {COUNT, "n m: {count: true}", "21:7: \"n m\" is not a name for a feature: " NAMES "\n"},
        {"pipeline: p", "pipeline: p\npipeline: q",
         "2:1: \"pipeline\" stands here for the second time; the first is at 1:1\n"},
        {COUNT, COUNT "\n      n: {count: type}",
         "22:7: \"n\" stands here for the second time; the first is at 21:7\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void whole_files(void **state)
{
    (void)state;
    check_messages("", "1:1: the file is empty; it needs pipeline, kafka, sources and views\n");
    check_messages("# nothing\n", "1:1: the file is empty; it needs pipeline, kafka, sources and "
                                  "views\n");
    check_messages("---\n",
                   "1:1: the file is empty; it needs pipeline, kafka, sources and views\n");
    check_messages("- a\n", "1:1: the pipeline file must be a mapping: name: value\n");
    check_messages("just text\n", "1:1: the pipeline file must be a mapping: name: value\n");
    check_messages("{}\n", "1:1: the pipeline file has no pipeline\n"
                           "1:1: the pipeline file has no kafka\n"
                           "1:1: the pipeline file has no sources\n"
                           "1:1: the pipeline file has no views\n");
    check_messages("pipeline: p\nkafka: {}\nsources: {}\nviews:\n",
                   "3:1: sources is empty\n4:1: views is empty\n");
    check_messages("pipeline: p\nkafka:\nsources: 1\nviews: [a]\n",
                   "3:10: sources must be a mapping: name: value\n"
                   "4:8: views must be a mapping: name: value\n");
}

static void scalars(void **state)
{
    static const struct mistake_case cases[] = {
        {"kafka: {}", "kafka: {}\nredis: {linger: 5}",
         "3:17: linger: \"5\" has no unit; " FORM "\n"},
        {"kafka: {}", "kafka: {}\nredis: {linger: 5sec}",
         "3:17: linger: \"5sec\" is not a duration; " FORM "\n"},
        {"kafka: {}", "kafka: {}\nredis: {linger: 1.5s}",
         "3:17: linger: \"1.5s\" is not a duration; " FORM "\n"},
        {"kafka: {}", "kafka: {}\nredis: {linger: 61s}",
         "3:17: linger: \"61s\" is out of range: 0s to 1m\n"},
        {"kafka: {}", "kafka: {}\nredis: {ttl: -1s}",
         "3:14: ttl: \"-1s\" is out of range: 0s to " YEARS "\n"},
        {"kafka: {}", "kafka: {}\nredis: {ttl: 99999999999999999999s}",
         "3:14: ttl: \"99999999999999999999s\" is out of range: 0s to " YEARS "\n"},
        {"kafka: {}", "kafka: {}\nredis: {connections: 65}",
         "3:22: connections: \"65\" is out of range: 1 to 64\n"},
        {"kafka: {}", "kafka: {}\nredis: {connections: two}",
         "3:22: connections: \"two\" is not an integer\n"},
        {"kafka: {}", "kafka: {}\nredis: {connections: '2'}",
         "3:22: connections: \"2\" must stand without quotes\n"},
        {"kafka: {}", "kafka: {}\nredis: {metadata: yes}",
         "3:19: metadata: \"yes\" is neither true nor false\n"},
        {"kafka: {}", "kafka: {}\nredis: {metadata: 'true'}",
         "3:19: metadata: \"true\" must stand without quotes\n"},
        {"kafka: {}", "kafka: {}\nstate: {memory: 8gb}",
         "3:17: memory: \"8gb\" is not a size; write an integer with KiB, MiB, GiB, TiB, KB, MB, "
         "GB "
         "or TB, or bytes without a unit\n"},
        {"kafka: {}", "kafka: {}\nstate: {memory: 8}",
         "3:17: memory: \"8\" is out of range: 1MiB to 1024TiB\n"},
        {"kafka: {}", "kafka: {}\nengine: {shards: 257}",
         "3:18: shards: \"257\" is out of range: 1 to 256\n"},
        {"kafka: {}", "kafka: {}\nengine: {cpus: 3-1}",
         "3:16: cpus: \"3-1\" is not a list of CPUs such as 0-3,6\n"},
        {"kafka: {}", "kafka: {}\nengine: {cpus: '1,,2'}",
         "3:16: cpus: \"1,,2\" is not a list of CPUs such as 0-3,6\n"},
        {"kafka: {}", "kafka: {}\nengine: {cpus: [0, 1, 0]}",
         "3:23: cpus: \"0\" names a CPU twice\n"},
        {"kafka: {}", "kafka: {}\nengine: {cpus: 0-1024}",
         "3:16: cpus: \"0-1024\" names a CPU above 1023\n"},
        {"kafka: {}", "kafka: {}\nengine: {cpus: []}", "3:16: cpus is empty\n"},
        {"kafka: {}", "kafka: {}\nadmin: {listen: localhost}",
         "3:17: listen: the port is missing: 127.0.0.1:9180\n"},
        {"kafka: {}", "kafka: {}\nadmin: {listen: 'h:65536'}",
         "3:17: listen: the port must be an integer from 0 to 65535\n"},
        {"kafka: {}", "kafka: {}\nadmin: {listen: '::1:80'}",
         "3:17: listen: an IPv6 address stands in brackets: [::1]:port\n"},
        {"kafka: {}", "kafka: {}\ncheckpoint: {every: 0s}",
         "3:21: every: \"0s\" is out of range: 1ms to " YEARS "\n"},
        {"kafka: {}", "kafka: {}\noutputs: {file: {}}", "3:11: file has no path\n"},
        {"kafka: {}", "kafka: {}\noutputs: {fiel: {path: x}}",
         "3:11: unknown key \"fiel\" in outputs; did you mean \"file\"?\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void feature_topic(void **state)
{
#define FILE_SOURCE      "sources:\n  s:\n    topic: t\n"
#define SOURCE           "kafka: {}\n" FILE_SOURCE
#define ROWS_TO(written) "kafka: {}", "kafka: {}\noutputs: {kafka: " written "}"
    static const struct mistake_case cases[] = {
        {ROWS_TO("{}"), "3:11: outputs.kafka has no topic\n"},
        {ROWS_TO("rows"), "3:18: outputs.kafka must be a mapping: name: value\n"},
        {ROWS_TO("{topic: }"), "3:19: topic has no value\n"},
        {ROWS_TO("{topic: a b}"),
         "3:26: topic: \"a b\" is not a name that Kafka takes: letters, digits, . _ and -, at most "
         "249\n"},
        {ROWS_TO("{topci: rows}"),
         "3:19: unknown key \"topci\" in outputs.kafka; did you mean \"topic\"?\n"},
        {ROWS_TO("{topic: rows, acks: all}"),
         "3:32: unknown key \"acks\" in outputs.kafka; valid: topic, transactional\n"},
        {ROWS_TO("{topic: rows, transactional: yes}"),
         "3:47: transactional: \"yes\" is neither true nor false\n"},
        {ROWS_TO("{topic: t}"),
         "3:26: topic: t is the topic of source s; a pipeline must not read what it writes\n"},
        {SOURCE, "kafka: {}\noutputs: {kafka: {topic: l}}\n" FILE_SOURCE "    late_topic: l\n",
         "3:26: topic: l is the late_topic of source s; rows need a topic of their own\n"},
        {SOURCE,
         "kafka: {}\noutputs: {kafka: {topic: d}}\n" FILE_SOURCE "    dead_letter_topic: d\n",
         "3:26: topic: d is the dead_letter_topic of source s; rows need a topic of their own\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
#undef ROWS_TO
#undef SOURCE
#undef FILE_SOURCE
}

static void what_this_version_lacks(void **state)
{
    static const struct mistake_case cases[] = {
        {"kafka: {}", "kafka: {}\nredis: {layout: feast}", "3:17: layout: feast" LATER},
        {"kafka: {}", "kafka: {}\nredis: {cluster: true}", "3:18: cluster: true" LATER},
        {"kafka: {}", "kafka: {}\nredis: {url: 'rediss://h'}", "3:14: url: rediss://" LATER},
        {"kafka: {}", "kafka: {}\noutputs: {parquet: {}}", "3:11: parquet in outputs" LATER},
        {"kafka: {}", "kafka: {}\noutputs: {iceberg: x}", "3:11: iceberg in outputs" LATER},
        {"topic: t\n", "topic: t\n    format: avro\n", "6:13: format: avro" LATER},
        {"topic: t\n", "topic: t\n    format: protobuf\n", "6:13: format: protobuf" LATER},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void sources(void **state)
{
    static const struct mistake_case cases[] = {
        {"    topic: t\n", "", "4:3: source s has no topic\n"},
        {"    entity: user_id\n", "", "4:3: source s has no entity\n"},
        {"    time: {field: ts}\n", "", "4:3: source s has no time\n"},
        {"topic: t\n", "tpoic: t\n",
         "5:5: unknown key \"tpoic\" in source s; did you mean \"topic\"?\n"},
        {"topic: t\n", "topic: a b\n",
         "5:12: topic: \"a b\" is not a name that Kafka takes: letters, digits, . _ and -, at most "
         "249\n"},
        {"topic: t\n", "topic: ''\n",
         "5:12: topic: \"\" is not a name that Kafka takes: letters, digits, . _ and -, at most "
         "249\n"},
        {"topic: t\n", "topic: ..\n",
         "5:12: topic: \"..\" is not a name that Kafka takes: letters, digits, . _ and -, at most "
         "249\n"},
        {"topic: t\n", "topic: t\n    format: jsno\n",
         "6:13: format: unknown value \"jsno\"; did you mean \"json\"?\n"},
        {"topic: t\n", "topic: t\n    format: xml\n",
         "6:13: format: unknown value \"xml\"; valid: json\n"},
        {"topic: t\n", "topic: t\n    partitioning: alinged\n",
         "6:19: partitioning: unknown value \"alinged\"; did you mean \"aligned\"?\n"},
        {"topic: t\n", "topic: t\n    start: yesterday\n",
         "6:12: start: \"yesterday\" is neither earliest nor latest nor a time such as "
         "2026-01-31T08:00:00Z\n"},
        {"topic: t\n", "topic: t\n    start: 1969-12-31\n",
         "6:12: start: \"1969-12-31\" is not within the years 1970 to 9999\n"},
        {"topic: t\n", "topic: t\n    max_future: 3661d\n",
         "6:17: max_future: \"3661d\" is out of range: 0s to " YEARS "\n"},
        {"topic: t\n", "topic: t\n    out_of_orderness: 1 m\n",
         "6:23: out_of_orderness: \"1 m\" is not a duration; " FORM "\n"},
        {"topic: t\n", "topic: t\n    late_topic: t\n",
         "6:17: late_topic: t is the topic of source s; a pipeline must not read what it writes\n"},
        {"topic: t\n", "topic: t\n    dead_letter_topic: t\n",
         "6:24: dead_letter_topic: t is the topic of source s; a pipeline must not read what it "
         "writes\n"},
        {"entity: user_id", "entity: usr_id",
         "6:13: entity: source s has no field \"usr_id\"; did you mean \"user_id\"?\n"},
        {"entity: user_id", "entity: amount",
         "6:13: entity: \"amount\" is a decimal(2); an entity is a string or an int64\n"},
        {"entity: user_id", "entity: ok",
         "6:13: entity: \"ok\" is a bool; an entity is a string or an int64\n"},
        {"{field: ts}", "{feild: ts}",
         "7:12: unknown key \"feild\" in time of source s; did you mean \"field\"?\n"},
        {"{field: ts}", "{unit: ms}", "7:5: time of source s has no field\n"},
        {"{field: ts}", "{field: a..b}", "7:19: field: \"a..b\" has an empty member\n"},
        {"{field: ts}", "{field: ts, unit: ns}",
         "7:29: unit: unknown value \"ns\"; did you mean \"ms\"?\n"},
        {"{field: ts}", "ts", "7:11: time of source s must be a mapping: name: value\n"},
        {"      user_id: string\n", "",
         "6:13: entity: source s has no field \"user_id\"; valid: "
         "type, amount, count, score, ok, at\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void dedup(void **state)
{
#define DEDUP(written) "topic: t\n", "topic: t\n    dedup: " written "\n"
    static const struct mistake_case cases[] = {
        {DEDUP("{field: type}"), "6:5: dedup of source s has no within\n"},
        {DEDUP("{within: 1h}"), "6:5: dedup of source s has no field\n"},
        {DEDUP(""), "6:5: dedup of source s has no field\n"
                    "6:5: dedup of source s has no within\n"},
        {DEDUP("type"), "6:12: dedup of source s must be a mapping: name: value\n"},
        {DEDUP("{field: typ, within: 1h}"),
         "6:20: field: source s has no field \"typ\"; did you mean \"type\"?\n"},
        {DEDUP("{field: event_id, within: 1h}"),
         "6:20: field: source s has no field \"event_id\"; valid: user_id, type, amount, count, "
         "score, ok, at\n"},
        {DEDUP("{field: score, within: 1h}"),
         "6:20: field: \"score\" is a double; an event's id is a string or an int64\n"},
        {DEDUP("{field: amount, within: 1h}"),
         "6:20: field: \"amount\" is a decimal(2); an event's id is a string or an int64\n"},
        {DEDUP("{field: at, within: 1h}"),
         "6:20: field: \"at\" is a timestamp; an event's id is a string or an int64\n"},
        {DEDUP("{field: ok, within: 1h}"),
         "6:20: field: \"ok\" is a bool; an event's id is a string or an int64\n"},
        {DEDUP("{field: [type], within: 1h}"), "6:20: field must be a single value, not a list\n"},
        {DEDUP("{field: , within: 1h}"), "6:13: field has no value\n"},
        {DEDUP("{feild: type, within: 1h}"),
         "6:13: unknown key \"feild\" in dedup of source s; did you mean \"field\"?\n"},
        {DEDUP("{field: type, witihn: 1h}"),
         "6:26: unknown key \"witihn\" in dedup of source s; did you mean \"within\"?\n"},
        {DEDUP("{field: type, window: 1h}"),
         "6:5: dedup of source s has no within\n"
         "6:26: unknown key \"window\" in dedup of source s; valid: field, within\n"},
        {DEDUP("{field: type, within: 0}"),
         "6:34: within: \"0\" is out of range: 1ms to " YEARS "\n"},
        {DEDUP("{field: type, within: 3661d}"),
         "6:34: within: \"3661d\" is out of range: 1ms to " YEARS "\n"},
        {DEDUP("{field: type, within: 60}"), "6:34: within: \"60\" has no unit; " FORM "\n"},
        {"topic: t\n", "topic: t\n    dedupe: {field: type, within: 1h}\n",
         "6:5: unknown key \"dedupe\" in source s; did you mean \"dedup\"?\n"},
        /* A field of an unknown type has had its message. */
        {"      at: timestamp\n", "      id: strnig\n    dedup: {field: id, within: 1h}\n",
         "15:11: id: unknown type \"strnig\"; did you mean \"string\"?\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void fields(void **state)
{
    static const struct mistake_case cases[] = {
        {"type: string", "type: strnig",
         "10:13: type: unknown type \"strnig\"; did you mean \"string\"?\n"},
        {"type: string", "type: blob",
         "10:13: type: unknown type \"blob\"; did you mean \"bool\"?\n"},
        {"type: string", "type: decimal",
         "10:13: type: unknown type \"decimal\"; did you mean \"decimal(2)\"?\n"},
        {"type: string", "type: decimal(19)",
         "10:13: type: \"decimal(19)\" must have 0 to 18 digits, as in decimal(2)\n"},
        {"type: string", "type: decimal()",
         "10:13: type: \"decimal()\" must have 0 to 18 digits, as in decimal(2)\n"},
        {"type: string", "type: decimal(-1)",
         "10:13: type: \"decimal(-1)\" must have 0 to 18 digits, as in decimal(2)\n"},
        {"type: string", "type: [string]",
         "10:13: field type of source s must be a mapping: name: value\n"},
        {"type: string", "type: {path: a.b}", "10:7: field type of source s has no type\n"},
        {"type: string", "type: ", "10:7: type has no value\n"},
        {"type: string", "type: {type: string, path: .a}",
         "10:34: path: \".a\" has an empty member\n"},
        {"type: string", "type: {type: string, path: a.}",
         "10:34: path: \"a.\" has an empty member\n"},
        {"type: string", "type: {type: string, defualt: a}",
         "10:28: unknown key \"defualt\" in field type of source s; did you mean \"default\"?\n"},
        {"type: string", "type: {type: string, default: null}",
         "10:37: default: null is not a value\n"},
        {"type: string", "type: {type: string, default: [a]}",
         "10:37: default must be a single value, not a list\n"},
        {"count: int64", "count: {type: int64, default: 1.5}",
         "12:37: default: \"1.5\" is not an integer\n"},
        {"count: int64", "count: {type: int64, default: '1'}",
         "12:37: default: \"1\" must stand without quotes\n"},
        {"count: int64", "count: {type: int64, default: 9223372036854775808}",
         "12:37: default: \"9223372036854775808\" is too large\n"},
        {"count: int64", "count: {type: int64, default: 010}",
         "12:37: default: \"010\" is not an integer\n"},
        {"amount: decimal(2)", "amount: {type: decimal(2), default: 1.234}",
         "11:43: default: \"1.234\" has more than 2 digits behind the point\n"},
        {"amount: decimal(2)", "amount: {type: decimal(1), default: 1.23}",
         "11:43: default: \"1.23\" has more than 1 digit behind the point\n"},
        {"amount: decimal(2)", "amount: {type: decimal(2), default: 1e3}",
         "11:43: default: \"1e3\" is not a decimal number\n"},
        {"amount: decimal(2)", "amount: {type: decimal(18), default: 10}",
         "11:44: default: \"10\" is too large\n"},
        {"score: double", "score: {type: double, default: nan}",
         "13:38: default: \"nan\" is not a number\n"},
        {"score: double", "score: {type: double, default: 1e999}",
         "13:38: default: \"1e999\" is too large\n"},
        {"ok: bool", "ok: {type: bool, default: 1}",
         "14:33: default: \"1\" is neither true nor false\n"},
        {"at: timestamp", "at: {type: timestamp, default: noon}",
         "15:38: default: \"noon\" is not a time; write ISO 8601, such as 2026-01-31T08:00:00Z, or "
         "an integer in ms\n"},
        {"ok: bool", "ok: {type: bool, optional: no}",
         "14:34: optional: \"no\" is neither true nor false\n"},
        {"type: string", "'': string",
         "10:7: \"\" is not a name for a field: 1 to 128 bytes, no control characters\n"},
        {"type: string", "\"a\\nb\": string",
         "10:7: \"a\\nb\" is not a name for a field: 1 to 128 bytes, no control characters\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void views(void **state)
{
    static const struct mistake_case cases[] = {
        {"    source: s\n", "", "17:3: view v has no source\n"},
        {"    " WINDOW "\n", "", "17:3: view v has no window\n"},
        {"source: s", "source: t", "18:13: source: there is no source \"t\"; valid: s\n"},
        {WINDOW, "widnow: {sliding: 1h, every: 10m}",
         "19:5: unknown key \"widnow\" in view v; did you mean \"window\"?\n"},
        {WINDOW, WINDOW "\n    emit: onclose",
         "20:11: emit: unknown value \"onclose\"; did you mean \"on_close\"?\n"},
        {WINDOW, WINDOW "\n    unchanged: drop",
         "20:16: unchanged: unknown value \"drop\"; valid: emit, skip\n"},
        {WINDOW, WINDOW "\n    when_empty: nothing",
         "20:17: when_empty: unknown value \"nothing\"; valid: zero, keep, delete\n"},
        {"    features:\n      n: {count: true}\n", "", "17:3: view v has no features\n"},
        {"features:\n      n: {count: true}", "features: {}", "20:5: features is empty\n"},
        {"features:\n      n: {count: true}", "features: [a]",
         "20:15: features must be a mapping: name: value\n"},
        {"views:\n", "  u: {topic: u, entity: e, time: {field: t}, fields: {e: int64}}\nviews:\n",
         "16:3: source u has no view\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void conditions(void **state)
{
#define WHERE(condition) WINDOW, WINDOW "\n    where: " condition
    static const struct mistake_case cases[] = {
        {WHERE("{typ: a}"), "20:13: source s has no field \"typ\"; did you mean \"type\"?\n"},
        {WHERE("{}"), "20:12: a condition must be a mapping such as {field: value}\n"},
        {WHERE("type"), "20:12: a condition must be a mapping such as {field: value}\n"},
        {WHERE("{type: []}"), "20:19: type: the list of values is empty\n"},
        {WHERE("{type: {}}"), "20:13: type is empty\n"},
        {WHERE("{type: null}"), "20:19: type: null is not a value\n"},
        {WHERE("{type: ~}"), "20:19: type: null is not a value\n"},
        {WHERE("{type: [a, [b]]}"), "20:23: type must be a single value, not a list\n"},
        {WHERE("{type: {equals: a}}"),
         "20:20: unknown operator \"equals\"; valid: eq, ne, gt, ge, lt, le, exists\n"},
        {WHERE("{type: {gtt: a}}"), "20:20: unknown operator \"gtt\"; did you mean \"gt\"?\n"},
        {WHERE("{type: {eq: [a]}}"), "20:24: type must be a single value, not a list\n"},
        {WHERE("{type: {exists: maybe}}"), "20:28: exists: \"maybe\" is neither true nor false\n"},
        {WHERE("{count: many}"), "20:20: count: \"many\" is not an integer\n"},
        {WHERE("{count: '1'}"), "20:20: count: \"1\" must stand without quotes\n"},
        {WHERE("{amount: {gt: 1.001}}"),
         "20:26: amount: \"1.001\" has more than 2 digits behind the point\n"},
        {WHERE("{score: {lt: x}}"), "20:25: score: \"x\" is not a number\n"},
        {WHERE("{ok: {gt: true}}"), "20:18: ok: a bool has no order; use eq or ne\n"},
        {WHERE("{ok: yes}"), "20:17: ok: \"yes\" is neither true nor false\n"},
        {WHERE("{at: {ge: soon}}"),
         "20:22: at: \"soon\" is not a time; write ISO 8601, such as 2026-01-31T08:00:00Z, or an "
         "integer in ms\n"},
        {WHERE("{any: {type: a}}"), "20:18: any must be a list of conditions: [{…}, {…}]\n"},
        {WHERE("{any: []}"), "20:18: any must be a list of conditions: [{…}, {…}]\n"},
        {WHERE("{any: [{type: a}, b]}"),
         "20:30: a condition must be a mapping such as {field: value}\n"},
        {WHERE("{not: {}}"), "20:18: a condition must be a mapping such as {field: value}\n"},
        {WHERE("{not: {any: [{type: {exists: 1}}]}}"),
         "20:41: exists: \"1\" is neither true nor false\n"},
        {COUNT, "n: {count: true, where: {ok: 1}}", "21:36: ok: \"1\" is neither true nor false\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void redis_keys_and_addresses(void **state)
{
#define REDIS(settings) "kafka: {}", "kafka: {}\nredis: {" settings "}"
    static const struct mistake_case cases[] = {
        {REDIS("key: 'u:{user}'"), "3:14: key: {user} is not the entity of source s, which is "
                                   "user_id\n"},
        {REDIS("key: 'u'"), "3:14: key: \"u\" must name the entity once: user:{user_id}\n"},
        {REDIS("key: '{}'"), "3:14: key: \"{}\" must name the entity once: user:{user_id}\n"},
        {REDIS("key: '{user_id}{user_id}'"),
         "3:14: key: \"{user_id}{user_id}\" must name the entity once: user:{user_id}\n"},
        {REDIS("key: '{a{user_id}'"),
         "3:14: key: \"{a{user_id}\" must name the entity once: user:{user_id}\n"},
        {REDIS("key: '}{user_id}'"),
         "3:14: key: \"}{user_id}\" must name the entity once: user:{user_id}\n"},
        {REDIS("url: 'http://h'"), "3:14: url: must begin with redis:// or unix://, such as "
                                   "redis://localhost:6379\n"},
        {REDIS("url: 'redis://'"), "3:14: url: the host is missing\n"},
        {REDIS("url: 'redis://:secret@'"), "3:14: url: the host is missing\n"},
        {REDIS("url: 'redis://h:0'"), "3:14: url: the port must be an integer from 1 to 65535\n"},
        {REDIS("url: 'redis://h:secret'"),
         "3:14: url: the port must be an integer from 1 to 65535\n"},
        {REDIS("url: 'redis://h/a'"), "3:14: url: the database must be a number\n"},
        {REDIS("url: 'redis://h?db=1'"), "3:14: url: behind the port only /database may follow\n"},
        {REDIS("url: 'redis://:a%2@h'"),
         "3:14: url: password: a % stands before two hexadecimal digits\n"},
        {REDIS("url: 'redis://:a%00@h'"),
         "3:14: url: password: a % stands before two hexadecimal digits\n"},
        {REDIS("url: 'redis://::1'"), "3:14: url: an IPv6 address stands in brackets: "
                                      "[::1]:port\n"},
        {REDIS("url: 'redis://[::1'"), "3:14: url: a [ without its ]\n"},
        {REDIS("url: 'redis://[::1]x'"), "3:14: url: behind a ] only :port may follow\n"},
        {REDIS("url: 'redis://a b'"), "3:14: url: the host has characters that no host has\n"},
        {REDIS("url: 'unix://run/x'"),
         "3:14: url: the path must begin with /: unix:///run/redis.sock\n"},
        {REDIS("url: 'unix:///x?base=1'"), "3:14: url: behind the path only ?db=number may "
                                           "follow\n"},
        {REDIS("url: 'unix:///x?db=-1'"), "3:14: url: the database must be a number\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_base_file_is_right),
        cmocka_unit_test(sections_and_keys),
        cmocka_unit_test(whole_files),
        cmocka_unit_test(scalars),
        cmocka_unit_test(feature_topic),
        cmocka_unit_test(what_this_version_lacks),
        cmocka_unit_test(sources),
        cmocka_unit_test(dedup),
        cmocka_unit_test(fields),
        cmocka_unit_test(views),
        cmocka_unit_test(conditions),
        cmocka_unit_test(redis_keys_and_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
