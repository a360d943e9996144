package freshet.peers;

/** A window's features as they change with an event of two strings that enters or leaves it. */
public interface Totals extends Row.Values {
    long events();

    void add(Utf8 first, Utf8 second);

    void remove(Utf8 first, Utf8 second);
}
