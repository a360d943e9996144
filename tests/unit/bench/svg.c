/* Plots: axes end at round numbers, values land where they belong, texts are escaped. */

#include <math.h>

#include "../support/testing.h"
#include "bench/svg.h"

static void near(double got, double wanted)
{
    if (!(fabs(got - wanted) <= 1e-9 * fmax(fabs(wanted), 1)))
        fail_msg("%.17g, not %.17g", got, wanted);
}

static void axis_is(double min, double max, double step_min, double first, double last,
                    unsigned ticks)
{
    struct svg_axis axis;

    svg_axis_make(min, max, step_min, &axis);
    near(axis.min, first);
    near(axis.max, last);
    assert_int_equal(axis.tick_count, ticks);
    near(axis.ticks[0], first);
    near(axis.ticks[ticks - 1], last);
}

static void linear_axes_have_round_ends(void **state)
{
    (void)state;
    axis_is(3, 97, 0, 0, 100, 6); /* by 20 */
    axis_is(0, 113369, 0, 0, 150000, 4);
    axis_is(0, 0.43, 0, 0, 0.5, 6);
    axis_is(-5, 5, 0, -6, 6, 7);
    axis_is(7, 7, 0, 0, 8, 5);
    axis_is(0, 0, 0, 0, 1, 6);
    axis_is(1, 2, 1, 0, 2, 3); /* shards: no halves of them */
    axis_is(NAN, NAN, 0, 0, 1, 6);
    axis_is(INFINITY, -INFINITY, 0, 0, 1, 6); /* no point at all */
}

static void logarithmic_axes_have_powers_of_ten(void **state)
{
    struct svg_axis axis;

    (void)state;
    svg_axis_make_log(0.3, 420, &axis);
    near(axis.min, 0.1);
    near(axis.max, 1000);
    assert_int_equal(axis.tick_count, 5);
    svg_axis_make_log(5, 5, &axis);
    near(axis.min, 1);
    near(axis.max, 10);
    svg_axis_make_log(INFINITY, -INFINITY, &axis);
    near(axis.min, 1);
    near(axis.max, 10);
    svg_axis_make_log(1e-30, 1e30, &axis);
    assert_true(axis.tick_count <= SVG_TICKS_MAX);
    near(axis.max, 1e30);
}

static void values_land_in_proportion(void **state)
{
    struct svg_axis axis;

    (void)state;
    svg_axis_make(0, 100, 0, &axis);
    near(svg_axis_at(&axis, 0, 50, 250), 50);
    near(svg_axis_at(&axis, 25, 50, 250), 100);
    near(svg_axis_at(&axis, 100, 250, 50), 50); /* upwards, as y does */
    near(svg_axis_at(&axis, 1000, 50, 250), 250);
    near(svg_axis_at(&axis, -1, 50, 250), 50);
    svg_axis_make_log(1, 10000, &axis);
    near(svg_axis_at(&axis, 100, 0, 400), 200);
    near(svg_axis_at(&axis, 10, 0, 400), 100);
}

static void text_is(const char *text, const char *wanted)
{
    struct buf out = {0};

    html_text(&out, text);
    assert_string_equal(buf_string(&out), wanted);
    buf_free(&out);
}

static void texts_are_escaped(void **state)
{
    (void)state;
    text_is("a < b & \"c\" > 'd'", "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
    text_is("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
    text_is("größe → 日本", "größe → 日本");
    text_is("a\x01\x7f"
            "b\n\tc",
            "ab\n\tc");
    text_is("\xff\xfe", "?");
    text_is(NULL, "?");
}

static size_t times(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

/* Where there is nothing to be drawn, nothing is drawn. */
static void points_without_a_value_are_left_out(void **state)
{
    const double x[] = {1, 2, 3, 4};
    const double y[] = {10, NAN, 0, 1000};
    struct svg_plot plot = {
        .title = "A <title>",
        .x_label = "x",
        .y_label = "y",
        .log_y = true,
        .series = {{"one & two", x, y, 4}},
        .series_count = 1,
        .mark_x = NAN,
        .mark_name = "mark",
    };
    struct buf out = {0};

    (void)state;
    svg_lines(&plot, &out);
    assert_int_equal(times(buf_string(&out), "<circle"), 2);
    assert_int_equal(times(out.data, "class=\"mark\""), 0);
    assert_int_equal(times(out.data, "A &lt;title&gt;"), 2);
    assert_int_equal(times(out.data, "one &amp; two"), 1);
    assert_int_equal(times(out.data, "nan"), 0);
    assert_int_equal(times(out.data, "<svg"), times(out.data, "</svg>"));
    buf_free(&out);
}

static void bars_stand_on_each_other(void **state)
{
    static const char *const parts[] = {"a", "b", "c"};
    const struct svg_bar bars[] = {{"first", {1, 2, 1}}, {"second", {NAN, 0, 4}}};
    struct buf out = {0};

    (void)state;
    svg_bars("Bars", "us", parts, 3, bars, 2, &out);
    /* Three parts and one, and three of the legend. */
    assert_int_equal(times(buf_string(&out), "<rect"), 3 + 1 + 3);
    assert_int_equal(times(out.data, "nan"), 0);
    buf_free(&out);
}

static void number_is(double value, const char *wanted)
{
    struct buf out = {0};

    svg_number(&out, value);
    assert_string_equal(buf_string(&out), wanted);
    buf_free(&out);
}

static void ticks_are_short(void **state)
{
    (void)state;
    number_is(0, "0");
    number_is(0.05, "0.05");
    number_is(2500, "2500");
    number_is(50000, "50 k");
    number_is(1.5e6, "1.5 M");
    number_is(2e9, "2 G");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_axes_have_round_ends),
        cmocka_unit_test(logarithmic_axes_have_powers_of_ten),
        cmocka_unit_test(values_land_in_proportion),
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(points_without_a_value_are_left_out),
        cmocka_unit_test(bars_stand_on_each_other),
        cmocka_unit_test(ticks_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
