package freshet.peers;

import java.io.IOException;
import java.nio.file.Path;

/** Where one task's rows go. Owned by one thread. */
public interface Output extends AutoCloseable {
    void write(Row row) throws IOException;

    /** Returns when everything written is where it is to be. */
    void flush() throws IOException;

    @Override
    void close() throws IOException;

    /**
     * "none": rows are counted and hashed; "file:PATH": lines of JSON as freshet writes them, in a
     * file for each task, PATH.TASK; "redis:SOCKET".
     */
    static Output open(String where, Workload workload, String task) throws IOException {
        int colon = where.indexOf(':');
        String kind = colon < 0 ? where : where.substring(0, colon);
        String place = where.substring(colon + 1);
        return switch (kind) {
            case "none" -> new HashOutput();
            case "file" -> new FileOutput(Path.of(place + "." + task));
            case "redis" -> new RedisOutput(Path.of(place), workload);
            default -> throw new IllegalArgumentException("no such sink: " + where);
        };
    }
}
