/* Messages as a whole: what is said once, in which order, how much of it, and what never. */
#include "plan_test.h"

#define WINDOW "window: {sliding: 1h, every: 10m}"
#define COUNT  "n: {count: true}"
#define FORM   "write an integer with ms, s, m, h or d, such as 30s or 1h30m"

static void two_of_what_may_be_once(void **state)
{
    static const struct mistake_case cases[] = {
        /* Two views of one entity write one hash. */
        {COUNT,
         COUNT "\n"
               "  w:\n"
               "    source: s\n"
               "    window: {tumbling: 1h}\n"
               "    features: {m: {count: true}, n: {count: true}}",
         "25:34: feature n is in view v too, at 21:7; an entity has each feature once\n"},
        /* A third one is compared with the first too. */
        {COUNT,
         COUNT "\n"
               "  w: {source: s, window: {tumbling: 1h}, features: {n: {count: true}}}\n"
               "  x: {source: s, window: {tumbling: 2h}, features: {n: {count: true}}}",
         "22:53: feature n is in view v too, at 21:7; an entity has each feature once\n"
         "23:53: feature n is in view v too, at 21:7; an entity has each feature once\n"},
        {COUNT,
         "w.window_end: {count: true}\n"
         "  w: {source: s, window: {tumbling: 1h}, features: {m: {count: true}}}",
         "21:7: feature w.window_end has the name of a field that view w (at 22:3) writes beside "
         "its features\n"},
        {COUNT, "v.computed_at: {count: true}",
         "21:7: feature v.computed_at has the name of a field that view v (at 17:3) writes beside "
         "its features\n"},
        {"views:\n",
         "  u: {topic: t, entity: e, time: {field: t}, fields: {e: int64}}\n"
         "views:\n"
         "  w: {source: u, window: {tumbling: 1h}, features: {m: {count: true}}}\n",
         "16:14: topic: t is read by source s already; two sources of one topic are not supported "
         "by this version yet\n"},
        {"views:\n",
         "  u: {topic: u, late_topic: t, entity: e, time: {field: t}, fields: {e: int64}}\n"
         "views:\n"
         "  w: {source: u, window: {tumbling: 1h}, features: {m: {count: true}}}\n",
         "16:29: late_topic: t is the topic of source s; a pipeline must not read what it "
         "writes\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void features_of_two_sources_clash_by_entity(void **state)
{
    static const char text[] =
        "pipeline: p\n"
        "kafka: {}\n"
        "sources:\n"
        "  a: {topic: a, entity: user_id, time: {field: t}, fields: {user_id: string}}\n"
        "  b: {topic: b, entity: user_id, time: {field: t}, fields: {user_id: string}}\n"
        "views:\n"
        "  v: {source: a, window: {tumbling: 1h}, features: {n: {count: true}}}\n"
        "  w: {source: b, window: {tumbling: 1h}, features: {n: {count: true}}}\n";
    char *other_entity = replaced(text, "b, entity: user_id, time: {field: t}, fields: {user_id",
                                  "b, entity: item_id, time: {field: t}, fields: {item_id");
    /* Another field, but the same key in Redis: the entity's name loses its _id there. */
    char *same_key = replaced(text, "b, entity: user_id, time: {field: t}, fields: {user_id",
                              "b, entity: user, time: {field: t}, fields: {user");
    char *same_key_redis = replaced(same_key, "kafka: {}\n", "kafka: {}\nredis: {}\n");

    (void)state;
    check_messages(text,
                   "8:53: feature n is in view v too, at 7:53; an entity has each feature once\n");
    plan_free(plan_of(other_entity));
    plan_free(plan_of(same_key));
    check_messages(same_key_redis,
                   "9:53: feature n is in view v too, at 8:53; an entity has each feature once\n");
    free(other_entity);
    free(same_key);
    free(same_key_redis);
}

static void a_key_must_suit_every_source_with_a_view(void **state)
{
    (void)state;
    check_messages("pipeline: p\n"
                   "kafka: {}\n"
                   "redis:\n"
                   "  key: 'u:{user_id}'\n"
                   "sources:\n"
                   "  a: {topic: a, entity: user_id, time: {field: t}, fields: {user_id: string}}\n"
                   "  b: {topic: b, entity: item, time: {field: t}, fields: {item: string}}\n"
                   "views:\n"
                   "  v: {source: a, window: {tumbling: 1h}, features: {n: {count: true}}}\n"
                   "  w: {source: b, window: {tumbling: 1h}, features: {m: {count: true}}}\n",
                   "4:8: key: {user_id} is not the entity of source b, which is item\n");
}

/* One mistake gives one message: what refers to a wrong thing is not wrong too. */
static void no_message_follows_from_another(void **state)
{
    static const struct mistake_case cases[] = {
        {"amount: decimal(2)\n      count: int64\n      score: double\n      ok: bool\n"
         "      at: timestamp\n"
         "views:\n  v:\n    source: s\n    window: {sliding: 1h, every: 10m}\n    features:\n"
         "      n: {count: true}\n",
         "amount: dezimal(2)\n"
         "views:\n  v:\n    source: s\n    window: {sliding: 1h, every: 10m}\n"
         "    where: {amount: {gt: 1}}\n    features:\n      n: {sum: amount}\n",
         "11:15: amount: unknown type \"dezimal(2)\"; did you mean \"decimal(2)\"?\n"},
        {"    fields:\n", "    feilds:\n",
         "8:5: unknown key \"feilds\" in source s; did you mean \"fields\"?\n"},
        {"source: s\n    window: {sliding: 1h, every: 10m}\n",
         "source: x\n    window: {sliding: 1h, every: 10m}\n    where: {nothing: 1}\n",
         "18:13: source: there is no source \"x\"; valid: s\n"},
        {"      user_id: string", "      user_id: strung",
         "9:16: user_id: unknown type \"strung\"; did you mean \"string\"?\n"},
        {"kafka: {}", "kafka: {}\nredis: {key: 'u:{user_id}', url: 'x'}",
         "3:34: url: must begin with redis:// or unix://, such as redis://localhost:6379\n"},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases));
}

static void all_mistakes_are_reported_in_the_order_of_the_file(void **state)
{
    (void)state;
    check_messages(
        "views:\n"
        "  v: {source: s, window: {tumbling: 5}, features: {n: {sum: name}}}\n"
        "sources:\n"
        "  s:\n"
        "    topic: 'a b'\n"
        "    entity: id\n"
        "    time: {field: t}\n"
        "    fields: {id: string, name: string}\n"
        "kafka: {brokrs: x}\n"
        "pipeline: p\n",
        "2:37: tumbling: \"5\" has no unit; " FORM "\n"
        "2:61: sum needs a number; \"name\" is a string\n"
        "5:12: topic: \"a b\" is not a name that Kafka takes: letters, digits, . _ and -, at "
        "most 249\n"
        "9:9: unknown key \"brokrs\" in kafka; did you mean \"brokers\"?\n");
}

static void fifty_mistakes_are_shown_and_the_rest_counted(void **state)
{
    struct buf file = {0};
    int lines = 0;

    (void)state;
    for (int i = 1; i <= 60; i++)
        buf_printf(&file, "zz%d: 1\n", i);
    buf_printf(&file, "%s", BASE_FILE);
    char *messages = messages_of(buf_string(&file));
    for (const char *at = messages; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 51);
    assert_memory_equal(messages, "f.yaml:1:1: unknown key \"zz1\"", 29);
    assert_non_null(strstr(messages, "\nf.yaml:50:1: unknown key \"zz50\""));
    assert_null(strstr(messages, "zz51"));
    assert_non_null(strstr(messages, "\nf.yaml: 10 more mistakes are not shown\n"));
    free(messages);
    buf_free(&file);
}

/* What is wrong stands on one line and does not fill the screen, whatever the file holds. */
static void long_and_strange_texts_are_cut_and_escaped(void **state)
{
    char *text = replaced(BASE_FILE, "kafka: {}",
                          "kafka: {}\n"
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1\n"
                          "\"b\\nc\\u20ac\": 1");

    (void)state;
    check_messages(
        text, "3:1: unknown key \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"… in the pipeline file; valid: pipeline, "
              "kafka, redis, sources, views, state, checkpoint, engine, admin, outputs\n"
              "4:1: unknown key \"b\\nc€\" in the pipeline file; valid: pipeline, kafka, redis, "
              "sources, views, state, checkpoint, engine, admin, outputs\n");
    free(text);
}

/* The file with `old` replaced by `count` times a line in which %d is the number. */
static char *repeated(const char *old, const char *line, int count)
{
    struct buf lines = {0};

    for (int i = 0; i < count; i++) {
        const char *number = strstr(line, "%d");

        buf_printf(&lines, "%.*s%d%s", (int)(number - line), line, i, number + 2);
    }
    char *text = replaced(BASE_FILE, old, buf_string(&lines));
    buf_free(&lines);
    return text;
}

static void check_limit(const char *old, const char *line, int limit, const char *expected)
{
    char *right = repeated(old, line, limit);
    char *wrong = repeated(old, line, limit + 1);

    plan_free(plan_of(right));
    check_messages(wrong, expected);
    free(right);
    free(wrong);
}

static void limits(void **state)
{
    (void)state;
    check_limit("      n: {count: true}\n", "      f%d: {count: true}\n", 64,
                "20:5: view v has 65 features: at most 64\n");
    check_limit("      type: string\n", "      f%d: string\n", 250,
                "8:5: source s has 257 fields: at most 256\n");
}

static void names_are_bounded(void **state)
{
    char name[251];

    (void)state;
    memset(name, 'a', sizeof(name));
    for (int len = 128; len <= 129; len++) {
        struct buf line = {0};

        buf_printf(&line, "pipeline: %.*s\n", len, name);
        char *text = replaced(BASE_FILE, "pipeline: p\n", buf_string(&line));
        if (len == 128)
            plan_free(plan_of(text));
        else /* quoted and cut at 100 */
            check_messages(
                text, "1:11: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"… is not a name for a pipeline: "
                      "letters, digits, _ . and -, a letter or _ first, at most 128\n");
        free(text);
        buf_free(&line);
    }
    for (int len = 249; len <= 250; len++) {
        struct buf line = {0};

        buf_printf(&line, "topic: %.*s\n", len, name);
        char *text = replaced(BASE_FILE, "topic: t\n", buf_string(&line));
        if (len == 249) {
            plan_free(plan_of(text));
        } else {
            char *messages = messages_of(text);
            assert_non_null(strstr(messages, "is not a name that Kafka takes"));
            free(messages);
        }
        free(text);
        buf_free(&line);
    }
}

static void at_most_64_sources_and_1024_views(void **state)
{
    (void)state;
    for (int count = 64; count <= 65; count++) {
        struct buf text = {0};

        buf_printf(&text, "pipeline: p\nkafka:\nsources:\n");
        for (int i = 0; i < count; i++)
            buf_printf(&text,
                       "  s%d: {topic: t%d, entity: e, time: {field: t}, fields: {e: string}}\n", i,
                       i);
        buf_printf(&text, "views:\n");
        for (int i = 0; i < count * 16; i++)
            buf_printf(&text,
                       "  v%d: {source: s%d, window: {tumbling: 1h}, features: {f%d: {count: "
                       "true}}}\n",
                       i, i % count, i);
        if (count == 64)
            plan_free(plan_of(buf_string(&text)));
        else
            check_messages(buf_string(&text), "3:1: 65 sources are too many: at most 64\n"
                                              "69:1: 1040 views are too many: at most 1024\n");
        buf_free(&text);
    }
}

static void sixty_four_conditions_at_most(void **state)
{
    struct buf views = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        buf_printf(&views, "  v%d: {source: s, window: {tumbling: 1h}, features: {\n", i);
        for (int j = 0; j < 32 + i; j++)
            buf_printf(&views, "    f%d-%d: {count: true, where: {count: %d}},\n", i, j,
                       32 * i + j);
        buf_printf(&views, "  }}\n");
    }
    buf_printf(&views, "  v:\n");
    char *text = replaced(BASE_FILE, "  v:\n", buf_string(&views));
    /* v0 in line 17, its 32 features from 18, v1 in 51, its 33rd feature in 84. */
    check_messages(text, "84:26: source s has too many different conditions: at most 64\n");
    char *shared = replaced(text, "where: {count: 64}", "where: {count: 63}");
    plan_free(plan_of(shared));
    free(text);
    free(shared);
    buf_free(&views);
}

static void passwords_are_never_shown(void **state)
{
    static const char *const urls[] = {
        "redis://:hunter2@",     "redis://u:hunter2@h:x",   "redis://:hunter2@h/x",
        "redis://:hunter2@h?x",  "http://:hunter2@h",       "rediss://:hunter2@h",
        "redis://:hunter2%@h",   "redis://h:hunter2",       "redis://:hunter2@a b",
        "redis://:hunter2@[::1", "redis://:hunter2@::1",    "redis://:a/hunter2@h",
        "unix://:hunter2@/x",    "redis://:hunter2@[::1]x",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct buf setting = {0};

        buf_printf(&setting, "kafka: {}\nredis: {url: '%s'}", urls[i]);
        char *text = replaced(BASE_FILE, "kafka: {}", buf_string(&setting));
        char *messages = messages_of(text);
        assert_non_null(strstr(messages, "f.yaml:3:14: url: "));
        assert_null(strstr(messages, "hunter2"));
        free(messages);
        free(text);
        buf_free(&setting);
    }
}

static void unreadable_files(void **state)
{
    struct plan *plan = NULL;
    struct buf messages = {0};

    (void)state;
    assert_int_equal(plan_load("/nowhere/f.yaml", &plan, &messages), -ENOENT);
    assert_string_equal(buf_string(&messages), "/nowhere/f.yaml: No such file or directory\n");
    buf_reset(&messages);
    assert_int_equal(plan_load("/", &plan, &messages), -EISDIR);
    assert_string_equal(buf_string(&messages), "/: Is a directory\n");
    buf_reset(&messages);
    /* Endless: reading stops at the limit. */
    assert_int_equal(plan_load("/dev/zero", &plan, &messages), -EINVAL);
    assert_string_equal(buf_string(&messages),
                        "/dev/zero: larger than 1 MiB, the most that a pipeline file may have\n");
    assert_null(plan);
    buf_free(&messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_of_what_may_be_once),
        cmocka_unit_test(features_of_two_sources_clash_by_entity),
        cmocka_unit_test(a_key_must_suit_every_source_with_a_view),
        cmocka_unit_test(no_message_follows_from_another),
        cmocka_unit_test(all_mistakes_are_reported_in_the_order_of_the_file),
        cmocka_unit_test(fifty_mistakes_are_shown_and_the_rest_counted),
        cmocka_unit_test(long_and_strange_texts_are_cut_and_escaped),
        cmocka_unit_test(limits),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(at_most_64_sources_and_1024_views),
        cmocka_unit_test(sixty_four_conditions_at_most),
        cmocka_unit_test(passwords_are_never_shown),
        cmocka_unit_test(unreadable_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
