package freshet.peers;

import java.util.Locale;

/** The example pipelines: their topic's format and what their Redis keys look like. */
public enum Workload {
    USER_ACTIVITY("features:user:", "", 90_000),
    SESSION_FEATURES("user:", ":session_features", 7200),
    FRAUD("features:user:", "", 90_000);

    public final String keyBefore;
    public final String keyAfter;
    public final int ttlSeconds;

    Workload(String keyBefore, String keyAfter, int ttlSeconds) {
        this.keyBefore = keyBefore;
        this.keyAfter = keyAfter;
        this.ttlSeconds = ttlSeconds;
    }

    public static Workload of(String name) {
        return valueOf(name.toUpperCase(Locale.ROOT));
    }
}
