package freshet.peers;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** The views of the example pipelines. A session's size is its gap, and it has no slide. */
public enum View {
    ACTIVITY_1H("user_activity_1h", 60, 10, "event_count_1h", "unique_pages_1h", "event_types_1h"),
    ACTIVITY_24H("user_activity_24h", 1440, 1440,
            "event_count_24h", "unique_pages_24h", "event_types_24h"),

    CLICKS_30M("session_30m", 30, 1,
            "items_clicked_30m", "item_count_30m", "distinct_items_30m", "distinct_categories_30m",
            "top_category_30m", "category_counts_30m"),

    PURCHASES_30M("purchases_30m", 30, 1, "purchase_count_30m", "purchase_amount_30m"),
    SPEND_1H("spend_1h", 60, 1, "mean_amount_1h"),
    FAILED_LOGINS_10M("failed_logins_10m", 10, 1, "failed_logins_10m"),
    MAX_PURCHASE_24H("max_purchase_24h", 1440, 10, "max_amount_24h"),
    SESSION("session", 30, 0, "distinct_categories_session"),
    LAST_ACTION_24H("last_action_24h", 1440, 60, "since_last_action_ms");

    /** A name as it stands in JSON, with its colon, and in RESP. */
    public record Name(byte[] json, byte[] resp) {
        static Name of(String text) {
            return new Name(View.bytes("\"" + text + "\":"),
                    View.bytes("$" + text.length() + "\r\n" + text + "\r\n"));
        }
    }

    private static final int MINUTE_MS = 60_000;

    public final long sizeMs;
    public final long slideMs;
    public final Name[] features;
    final byte[] json; // its name, with quotes
    final Name windowEnd;
    final Name computedAt;

    View(String name, int sizeMinutes, int slideMinutes, String... features) {
        sizeMs = (long) sizeMinutes * MINUTE_MS;
        slideMs = (long) slideMinutes * MINUTE_MS;
        this.features = Arrays.stream(features).map(Name::of).toArray(Name[]::new);
        json = bytes("\"" + name + "\"");
        windowEnd = Name.of(name + ".window_end");
        computedAt = Name.of(name + ".computed_at");
    }

    /** The end of the first pane after a time, or at it: of panes one slide long. */
    public long boundaryAfter(long timeMs) {
        return boundaryUpTo(timeMs) + slideMs;
    }

    public long boundaryUpTo(long timeMs) {
        return timeMs - Math.floorMod(timeMs, slideMs);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
