package freshet.peers;

import java.nio.charset.StandardCharsets;

/**
 * A record's JSON into an {@link Event}, by the rules of the pipeline files: a missing field takes
 * its default, and what lacks a required one or has a wrong type is refused. Owned by one thread.
 */
public final class EventReader {
    private static final Utf8 UNKNOWN = Utf8.of("unknown");
    private static final long MAX_FUTURE_MS = 60_000; // freshet's default

    private enum Slot { USER, TYPE, ITEM, CATEGORY, OTHER_TEXT, TIME_MS, TIME_S, AMOUNT }

    /** A member that is looked at: a value, or an object with such members. */
    private record Member(byte[] name, Slot slot, Member[] members) {}

    private final Workload workload;
    private final Member[] members;
    private final JsonScanner scanner = new JsonScanner();
    private final Interner interner = new Interner();
    private Event event;

    public EventReader(Workload workload) {
        this.workload = workload;
        Member user = value("user_id", Slot.USER);
        Member type = value("event_type", Slot.TYPE);
        Member time = value("timestamp", Slot.TIME_MS);
        members = switch (workload) {
            case USER_ACTIVITY -> new Member[] {
                user, type, time,
                new Member(bytes("properties"), null, new Member[] {value("page", Slot.ITEM)}),
            };
            case SESSION_FEATURES -> new Member[] {
                user,
                value("item_id", Slot.ITEM),
                value("category", Slot.CATEGORY),
                value("timestamp", Slot.TIME_S),
            };
            case FRAUD -> new Member[] {
                user, type, time,
                value("amount", Slot.AMOUNT),
                value("merchant", Slot.OTHER_TEXT),
                value("category", Slot.CATEGORY),
            };
        };
    }

    private static Member value(String name, Slot slot) {
        return new Member(bytes(name), slot, null);
    }

    private static byte[] bytes(String name) {
        return name.getBytes(StandardCharsets.UTF_8);
    }

    /** False: a dead letter, which an event too far ahead of its record is too. */
    public boolean read(byte[] json, long recordMs, Event into) {
        return read(json, into) && into.timeMs <= recordMs + MAX_FUTURE_MS;
    }

    public boolean read(byte[] json, Event into) {
        if (json == null) {
            return false;
        }
        event = into;
        event.clear();
        try {
            scanner.start(json);
            object(members, 0);
            scanner.finish();
        } catch (JsonScanner.Malformed e) {
            return false;
        }
        return complete();
    }

    private boolean complete() {
        if (event.user == null || event.user.bytes.length == 0 || event.timeMs < 0) {
            return false;
        }
        switch (workload) {
            case USER_ACTIVITY -> {
                event.item = event.item != null ? event.item : UNKNOWN;
                return event.type != null;
            }
            case SESSION_FEATURES -> {
                event.category = event.category != null ? event.category : UNKNOWN;
                return event.item != null;
            }
            default -> {
                return event.type != null;
            }
        }
    }

    private void object(Member[] wanted, int depth) throws JsonScanner.Malformed {
        scanner.expect('{');
        if (scanner.accept('}')) {
            return;
        }
        do {
            scanner.peek();
            scanner.string();
            Member member = find(wanted);
            scanner.expect(':');
            if (member == null) {
                scanner.skip(depth + 1);
            } else if (member.members != null) {
                nested(member, depth);
            } else {
                take(member.slot);
            }
        } while (scanner.accept(','));
        scanner.expect('}');
    }

    private void nested(Member member, int depth) throws JsonScanner.Malformed {
        if (scanner.peek() == '{') {
            object(member.members, depth + 1);
        } else {
            scanner.skip(depth + 1);
        }
    }

    private Member find(Member[] wanted) {
        for (Member member : wanted) {
            byte[] name = member.name;
            if (name.length == scanner.textLength && scanner.textIs(name)) {
                return member;
            }
        }
        return null;
    }

    private void take(Slot slot) throws JsonScanner.Malformed {
        int next = scanner.peek();
        if (next == 'n') {
            scanner.word("null");
            store(slot, null, Event.NONE);
        } else if (slot == Slot.TIME_MS || slot == Slot.TIME_S || slot == Slot.AMOUNT) {
            scanner.number();
            store(slot, null, number(slot));
        } else {
            scanner.string();
            store(slot, text(), Event.NONE);
        }
    }

    private long number(Slot slot) throws JsonScanner.Malformed {
        return switch (slot) {
            case TIME_S -> scanner.scaled(3);
            case AMOUNT -> scanner.scaled(2);
            default -> {
                if (scanner.exponent < 0) {
                    throw JsonScanner.MALFORMED; // a part of a millisecond
                }
                yield scanner.scaled(0);
            }
        };
    }

    private Utf8 text() {
        return interner.get(scanner.text, scanner.textFrom, scanner.textLength);
    }

    private void store(Slot slot, Utf8 text, long number) {
        switch (slot) {
            case USER -> event.user = text;
            case TYPE -> event.type = text;
            case ITEM -> event.item = text;
            case CATEGORY -> event.category = text;
            case OTHER_TEXT -> { }
            case TIME_MS, TIME_S -> event.timeMs = number;
            case AMOUNT -> event.amount = number;
        }
    }
}
