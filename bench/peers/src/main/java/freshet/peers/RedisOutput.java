package freshet.peers;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Rows as HSET and EXPIRE of the user's key, with HDEL for what a row has no value for: what a sink
 * of a Flink job does, without the objects that a client library makes of each command. Commands
 * are sent by tens of kilobytes, and while they are on their way the next are made: replies are
 * waited for one batch late.
 *
 * <p>Rows that only the end of the input has fired are left out, as freshet's Redis shows what the
 * watermark has reached.
 */
final class RedisOutput implements Output, Row.Features {
    private static final int FULL = 1 << 16;
    private static final byte[] CRLF = ascii("\r\n");
    // From the number of words to the length of the key
    private static final byte[] HSET = ascii("\r\n$4\r\nHSET\r\n$");
    private static final byte[] HDEL = ascii("\r\n$4\r\nHDEL\r\n$");
    private static final byte[] EXPIRE = ascii("\r\n$6\r\nEXPIRE\r\n$");

    private final SocketChannel channel;
    private final byte[] keyBefore;
    private final byte[] keyAfter;
    private final byte[] expire; // what follows the key
    private final ByteBuffer replies = ByteBuffer.allocateDirect(FULL);
    private final ByteBuffer request = ByteBuffer.allocateDirect(4 * FULL);
    private final Bytes bytes = new Bytes(2 * FULL);
    private final Bytes fields = new Bytes(1024);
    private final Bytes deleted = new Bytes(256);
    private final Bytes scratch = new Bytes(1024);
    private int fieldCount;
    private int deletedCount;
    private long made; // commands
    private long sent;
    private long answered;
    private boolean lineBegins = true;
    private long nowMs = System.currentTimeMillis();
    private long rows;
    private long skipped;

    RedisOutput(Path socket, Workload workload) throws IOException {
        channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(socket));
        keyBefore = workload.keyBefore.getBytes(StandardCharsets.UTF_8);
        keyAfter = workload.keyAfter.getBytes(StandardCharsets.UTF_8);
        String seconds = Integer.toString(workload.ttlSeconds);
        expire = ascii("$" + seconds.length() + "\r\n" + seconds + "\r\n");
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    @Override
    public void write(Row row) throws IOException {
        rows++;
        if (row.endOfInput) {
            skipped++;
            return;
        }
        fields.length = 0;
        fieldCount = 0;
        deleted.length = 0;
        deletedCount = 0;
        row.values.write(row.view, this);
        integer(row.view.windowEnd, row.endMs);
        integer(row.view.computedAt, nowMs);
        command(HSET, 2 + 2 * fieldCount, row.user);
        bytes.add(fields.data, 0, fields.length);
        if (deletedCount > 0) {
            command(HDEL, 2 + deletedCount, row.user);
            bytes.add(deleted.data, 0, deleted.length);
        }
        command(EXPIRE, 3, row.user);
        bytes.add(expire);
        if (bytes.length > FULL) {
            send();
        }
    }

    private void command(byte[] name, int words, Utf8 user) {
        bytes.add('*');
        bytes.add(words);
        bytes.add(name);
        bytes.add(keyBefore.length + user.bytes.length + keyAfter.length);
        bytes.add(CRLF);
        bytes.add(keyBefore);
        bytes.add(user.bytes);
        bytes.add(keyAfter);
        bytes.add(CRLF);
        made++;
    }

    /** Sends what has been made, and waits for the replies to what was sent before. */
    private void send() throws IOException {
        long before = sent;
        for (int at = 0; at < bytes.length; ) {
            int part = Math.min(request.capacity(), bytes.length - at);
            request.clear();
            request.put(bytes.data, at, part);
            request.flip();
            while (request.hasRemaining()) {
                channel.write(request);
            }
            at += part;
        }
        bytes.length = 0;
        sent = made;
        await(before);
        nowMs = System.currentTimeMillis();
    }

    /** All replies are one line, of a number or an error. */
    private void await(long commands) throws IOException {
        while (answered < commands) {
            replies.clear();
            if (channel.read(replies) < 0) {
                throw new IOException("Redis has closed the connection");
            }
            for (int i = 0; i < replies.position(); i++) {
                byte c = replies.get(i);
                if (lineBegins && c == '-') {
                    throw new IOException("Redis refuses a command");
                }
                lineBegins = c == '\n';
                answered += lineBegins ? 1 : 0;
            }
        }
    }

    /** With what stands in scratch. */
    private void field(View.Name name) {
        fields.add(name.resp());
        fields.add('$');
        fields.add(scratch.length);
        fields.add(CRLF);
        fields.add(scratch.data, 0, scratch.length);
        fields.add(CRLF);
        fieldCount++;
    }

    @Override
    public void integer(View.Name name, long value) {
        scratch.length = 0;
        scratch.add(value);
        field(name);
    }

    @Override
    public void hundredths(View.Name name, long value) {
        scratch.length = 0;
        scratch.addHundredths(value);
        field(name);
    }

    @Override
    public void real(View.Name name, double value) {
        scratch.length = 0;
        scratch.add(Double.toString(value));
        field(name);
    }

    @Override
    public void text(View.Name name, Utf8 value) {
        if (value == null) {
            missing(name);
            return;
        }
        scratch.length = 0;
        scratch.add(value.bytes);
        field(name);
    }

    @Override
    public void list(View.Name name, Utf8[] values, int count) {
        scratch.length = 0;
        scratch.addList(values, count);
        field(name);
    }

    @Override
    public void counts(View.Name name, Histogram values) {
        scratch.length = 0;
        scratch.addCounts(values);
        field(name);
    }

    @Override
    public void missing(View.Name name) {
        deleted.add(name.resp());
        deletedCount++;
    }

    @Override
    public void flush() throws IOException {
        if (bytes.length > 0) {
            send();
        }
        await(sent);
    }

    @Override
    public void close() throws IOException {
        flush();
        channel.close();
        Run.addRows(rows, skipped, 0);
    }
}
