package freshet.peers;

import java.util.HashMap;
import java.util.Map;

/** What bench/peers.py says on the command line, as --name value. */
public final class Options {
    private final Map<String, String> values = new HashMap<>();

    public Options(String[] arguments) {
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            values.put(arguments[i], arguments[i + 1]);
        }
    }

    public String get(String name) {
        String value = values.get("--" + name);
        if (value == null) {
            throw new IllegalArgumentException("--" + name + " is missing");
        }
        return value;
    }

    public long number(String name) {
        return Long.parseLong(get(name));
    }

    public Workload workload() {
        return Workload.of(get("workload"));
    }
}
