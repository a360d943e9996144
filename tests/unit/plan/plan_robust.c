/* Any bytes for a pipeline file: a plan or messages, never a crash. To be run with sanitizers. */
#include <stdio.h>

#include "plan_test.h"

#define MUTANTS 6000

/* A file that uses most of what there is. */
static const char rich[] =
    "pipeline: p\n"
    "kafka: {brokers: 'a:1,b:2', properties: {security.protocol: SSL}}\n"
    "redis: {url: 'redis://u:p%20w@[::1]:1/2', key: 'k:{user_id}', ttl: 1h30m}\n"
    "sources:\n"
    "  s:\n"
    "    topic: t\n"
    "    partitioning: aligned\n"
    "    start: 2026-01-01T00:00:00+01:00\n"
    "    entity: user_id\n"
    "    time: {field: meta.ts, unit: s}\n"
    "    fields:\n"
    "      user_id: string\n"
    "      type: &opt {type: string, optional: true}\n"
    "      page: {path: properties.page, type: string, default: unknown}\n"
    "      amount: {type: decimal(2), default: 0.00}\n"
    "      score: double\n"
    "      count: int64\n"
    "      ok: bool\n"
    "      at: timestamp\n"
    "      more: *opt\n"
    "    allowed_lateness: 60s\n"
    "    late_topic: late\n"
    "    dedup: {field: page, within: 1h}\n"
    "views:\n"
    "  v:\n"
    "    source: s\n"
    "    window: {sliding: 1h, every: 10m, offset: -1m}\n"
    "    emit: on_update\n"
    "    where: &w {type: [a, b], amount: {gt: 1, le: 5.5}, not: {ok: true},\n"
    "      any: [{score: {lt: 0.5}}, {at: {ge: 2026-01-01}, count: {exists: false}}]}\n"
    "    features:\n"
    "      f1: {count: true}\n"
    "      f2: {sum: amount, where: *w}\n"
    "      f3: {mean: score}\n"
    "      f4: {histogram: type, limit: 10}\n"
    "      f5: {distinct: page}\n"
    "      f6: {quantile: amount, q: 0.95}\n"
    "      f7: {stddev: score, sample: true}\n"
    "      f8: {last: page, n: 20}\n"
    "      f9: {top: ok, n: 3}\n"
    "      f10: {list: at, limit: 5}\n"
    "      f11: {since_previous: true}\n"
    "  w: {source: s, window: {tumbling: 24h}, features: {g: {max: at}}}\n"
    "  x: {source: s, window: {session: 30m}, features: {h: {first: more}}}\n"
    "  y: {source: s, window: lifetime, emit: on_update, features: {i: {variance: count}}}\n"
    "state: {memory: 64MiB}\n"
    "engine: {cpus: '0-3,6', shards: 2}\n"
    "admin: {listen: '[::]:0'}\n"
    "outputs: {file: {path: x}}\n";

/* What a mutation may put somewhere. */
static const char *const words[] = {
    "null",        "~",           "[]",
    "{}",          "''",          "*opt",
    "*w",          "&w ",         "- ",
    ": ",          "? ",          "\n",
    "\n  ",        "{",           "}",
    "[",           "]",           "\"",
    "'",           "#",           "|\n",
    ">\n",         "!!int ",      "---\n",
    "...\n",       "%YAML 1.1\n", "\t",
    "0",           "-1",          "99999999999999999999",
    "1e999",       "true",        "{eq: [1]}",
    "{exists: 1}", "[[[[[[[[",    "\xff",
    "\xc3\xa9",    "decimal(19)", "redis://",
    "unix://",     "%",           "{{",
    "a.b.",        "lifetime",    "session: ",
    "n: ",         "limit: ",     "since_previous: ",
    "<<: *w\n",    "where",       "any: [",
    "not: ",       "sum: ",       "\\",
    "\"\\0\"",     "\"\\uD800\"", "9223372036854775807ms",
};

static uint64_t seed;

/* SplitMix64: the same mutants in every run. */
static uint64_t random_next(void)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t random_below(size_t limit)
{
    return limit ? random_next() % limit : 0;
}

/* Each message is one printable line that begins with the file's name. */
static void check_lines(struct buf *messages)
{
    const char *line = buf_string(messages);

    while (*line) {
        const char *end = strchr(line, '\n');

        assert_non_null(end);
        if (end - line <= 8 || strncmp(line, "f.yaml:", 7) != 0)
            fail_msg("no message: %.*s", (int)(end - line), line);
        for (const char *c = line; c < end; c++) {
            if ((unsigned char)*c < 0x20)
                fail_msg("control characters: %.*s", (int)(end - line), line);
        }
        line = end;
        line++;
    }
}

static bool parse(struct slice text)
{
    /* An exact copy, so that the sanitizer sees a read behind the end. */
    char *copy = malloc(text.len ? text.len : 1);
    struct plan *plan = NULL;
    struct buf messages = {0};
    struct buf out = {0};

    if (text.len)
        memcpy(copy, text.data, text.len);
    int rc = plan_parse("f.yaml", (struct slice){copy, text.len}, &plan, &messages);
    free(copy);
    if (rc == 0) {
        assert_int_equal(messages.len, 0);
        plan_print(plan, &out);
        assert_true(out.len > 0);
    } else {
        assert_int_equal(rc, -EINVAL);
        assert_null(plan);
        assert_true(messages.len > 0);
        check_lines(&messages);
    }
    plan_free(plan);
    buf_free(&messages);
    buf_free(&out);
    return rc == 0;
}

static void the_files_are_right(void **state)
{
    (void)state;
    assert_true(parse(SLICE_LITERAL(BASE_FILE)));
    assert_true(parse(slice_of(rich)));
}

static void every_prefix(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof(rich); len++)
        parse((struct slice){rich, len});
}

static void every_line_left_out(void **state)
{
    (void)state;
    for (const char *line = rich; *line;) {
        const char *next = strchr(line, '\n') + 1;
        struct buf text = {0};

        buf_append(&text, rich, (size_t)(line - rich));
        buf_append(&text, next, strlen(next));
        parse(buf_slice(&text));
        buf_free(&text);
        line = next;
    }
}

static void mutate(struct buf *text)
{
    size_t at = random_below(text->len + 1);
    size_t len = random_below(MIN(text->len - at, (size_t)20) + 1);
    const char *word = words[random_below(ARRAY_LEN(words))];
    struct buf mutant = {0};

    buf_append(&mutant, text->data, at);
    switch (random_next() % 6) {
    case 0: /* one byte for another */
        buf_append_char(&mutant, (char)random_next());
        len = MIN(text->len - at, (size_t)1);
        break;
    case 1: /* bytes left out */
        break;
    case 2: /* bytes twice */
        buf_append(&mutant, text->data + at, len);
        len = 0;
        break;
    case 3: /* a word between */
        buf_append(&mutant, word, strlen(word));
        len = 0;
        break;
    case 4: /* a word instead */
        buf_append(&mutant, word, strlen(word));
        break;
    default: { /* bytes from elsewhere */
        size_t from = random_below(text->len - len + 1);

        buf_append(&mutant, text->data + from, len);
    }
    }
    buf_append(&mutant, text->data + at + len, text->len - at - len);
    buf_free(text);
    *text = mutant;
}

static void random_mutants(void **state)
{
    int right = 0;

    (void)state;
    for (seed = 1; seed <= MUTANTS; seed++) {
        uint64_t first = seed;
        struct buf text = {0};

        buf_append(&text, rich, strlen(rich));
        for (size_t i = random_below(4) + 1; i > 0; i--)
            mutate(&text);
        right += parse(buf_slice(&text));
        buf_free(&text);
        seed = first;
    }
    /* Mutants that are all wrong at once, or hardly ever, would test little. */
    assert_in_range(right, MUTANTS / 100, MUTANTS / 2);
}

/* The length of the value that begins here: up to its closing bracket, or the end of a word. */
static size_t value_len(const char *value)
{
    size_t depth = 0;

    for (size_t len = 0;; len++) {
        if (value[len] == '\0' || (depth == 0 && strchr(",]}\n", value[len])))
            return len;
        if (strchr("[{", value[len]))
            depth++;
        else if (strchr("]}", value[len]) && --depth == 0)
            return len + 1;
    }
}

/* Values in place of values: the YAML stays right, so that the readers behind it see them. */
static void every_value_replaced(void **state)
{
    static const char *const values[] = {
        "null",       "",          "''",
        "[]",         "{}",        "[a, b]",
        "[[a]]",      "{}",        "{a: b}",
        "{count: 1}", "[{a: b}]",  "-1",
        "true",       "1s",        "x",
        "\"\\0\"",    "a.b",       "999999999999999999999",
        "*opt",       "*w",        "{eq: {a: 1}}",
        "&z [a, *z]", "&z {a: b}", "{<<: *opt}",
    };

    (void)state;
    for (const char *at = rich; (at = strchr(at, ':')) != NULL; at++) {
        /* `key: value` on a line, or a block on the lines below, which then hangs in the air. */
        bool block = at[1] == '\n';
        size_t head = (size_t)(at + 1 - rich);
        size_t len = block ? 0 : at[1] == ' ' ? 1 + value_len(at + 2) : 0;

        if (!block && len == 0)
            continue;
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            struct buf text = {0};

            buf_append(&text, rich, head);
            buf_printf(&text, " %s", values[i]);
            buf_append(&text, rich + head + len, strlen(rich) - head - len);
            parse(buf_slice(&text));
            buf_free(&text);
        }
    }
}

/* A key's value replaced, and the block below it left out. */
static void every_block_replaced(void **state)
{
    static const char *const values[] = {"",       "x",      "[]",    "{}",
                                         "[a, b]", "{a: b}", "*none", "|\n  x"};

    (void)state;
    for (const char *line = rich; *line;) {
        size_t len = strcspn(line, "\n") + 1;
        size_t indent = strspn(line, " ");
        const char *next = line + len;

        while (*next && strspn(next, " ") > indent)
            next += strcspn(next, "\n") + 1;
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            struct buf text = {0};

            buf_append(&text, rich, (size_t)(line - rich) + strcspn(line, ":") + 1);
            buf_printf(&text, " %s\n%s", values[i], next);
            parse(buf_slice(&text));
            buf_free(&text);
        }
        line += len;
    }
}

static void random_bytes(void **state)
{
    char bytes[64];

    (void)state;
    for (seed = 1; seed <= MUTANTS; seed++) {
        uint64_t first = seed;
        size_t len = random_below(sizeof(bytes) + 1);

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)random_next();
        parse((struct slice){bytes, len});
        seed = first;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_are_right),  cmocka_unit_test(every_prefix),
        cmocka_unit_test(every_line_left_out),  cmocka_unit_test(random_mutants),
        cmocka_unit_test(every_value_replaced), cmocka_unit_test(every_block_replaced),
        cmocka_unit_test(random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
