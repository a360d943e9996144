"""Which rows one key of one view emits, and when (sections 5 and 7).

Time inside a key group is its sequence of events. An *instant* is the position of an event in it:
at instant i event i is judged by the watermark before it, then applied, then the watermark moves,
then the windows fire that are due. A `Clock` says where the watermark stood. A key group of an
aligned source is a partition, so every instant is known. Of a shuffled one only the end is defined:
there the clock says that all events came first and the watermark moved after the last, which yields
just the last revision of each row.

    rows_of_key        all kinds: which of these it is
    _on_close          tumbling and sliding windows, a row when they end
    _on_close_session  sessions, a row when they end
    _on_update         a row after each event: _Trailing, _OpenSession, _Lifetime
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from .aggregates import History, evaluate
from .sessions import Sessions
from .windows import floor_boundary, next_boundary, trailing_start, window_closed, window_ends

NEVER = float("-inf")  # a watermark before the first event


class Held(NamedTuple):
    """An event as a view holds it. The first three give the order of section 6."""

    time: int
    partition: int
    offset: int
    inputs: tuple


class Arrival(NamedTuple):
    """An event that a view takes: it is not late for it and passes its `where`."""

    instant: int
    watermark: float  # of its own partition, before it
    held: Held


@dataclass(slots=True)
class Row:
    """One emitted result. `instant` is when; `reached` is false if the end of a bounded run, not
    the watermark, made it fire."""

    key: str
    start: int
    end: int
    revision: int
    empty: bool
    values: dict
    instant: int
    reached: bool = True
    retracted: bool = False


class Clock:
    """The watermark of a key group: `after[i]` is where it stands when event i has been applied."""

    def __init__(self, after):
        self.after = after

    @property
    def end(self):
        """The instant of what happens when all events have come."""
        return len(self.after)

    @property
    def final(self):
        return self.after[-1] if self.after else NEVER

    def before(self, instant):
        return self.after[instant - 1] if instant else NEVER

    def reaching(self, time):
        """The instant at which the watermark reaches `time`, None if it never does."""
        instant = bisect_left(self.after, time)
        return instant if instant < len(self.after) else None


def rows_of_key(view, key, arrivals, clock, bounded):
    """All rows of one key, in order of their instants."""
    if view.on_update:
        emit = _on_update
    else:
        emit = _on_close_session if view.kind == "session" else _on_close
    rows = emit(view, key, arrivals, clock, bounded)
    return sorted(rows, key=lambda row: (row.instant, not row.retracted, row.end, row.revision))


# on_close: tumbling and sliding windows


def _on_close(view, key, arrivals, clock, bounded):
    # Most windows are entered by all of their events before they fire: such a window is a slice of
    # the history. The others, which some event met fired or closed, are worked out one by one.
    history = History(view, [arrival.held for arrival in arrivals])
    odd = {end for arrival in arrivals for end in _ends_missed(view, arrival, clock)}
    ends = set()
    for first in {next_boundary(view, time) for time, _, _ in history.order}:
        ends.update(range(first, first + view.size, view.slide))
    by_time = sorted(arrivals, key=_time) if odd else []
    # A window without an event has a row only if the one before it holds one.
    for end in ends | {end + view.slide for end in ends}:
        before = end - view.slide
        if end in odd or before in odd:
            both = (_entered(view, by_time, one) for one in (end, before))
            yield from _rows_of_window(view, key, end, *both, clock, bounded)
        else:
            yield from _row_of_slice(view, key, end, history, clock, bounded)


def _time(arrival):
    return arrival.held.time


def _ends_missed(view, arrival, clock):
    """The ends of those of the event's windows that had fired or were closed when it came."""
    for end in window_ends(view, arrival.held.time):
        if clock.before(arrival.instant) < end and not window_closed(view, end, arrival.watermark):
            return
        yield end


def _entered(view, by_time, end):
    """The arrivals that entered the window, in the order in which they came: an event enters just
    those of its windows that its own partition's watermark has not closed."""
    first = bisect_left(by_time, end - view.size, key=_time)
    after = bisect_left(by_time, end, key=_time)
    mine = [one for one in by_time[first:after] if not window_closed(view, end, one.watermark)]
    return sorted(mine, key=lambda arrival: arrival.instant)


def _row_of_slice(view, key, end, history, clock, bounded):
    """The row of a window all of whose events entered it before it fired, as did those of the
    window before."""
    start = end - view.size
    holds = history.holds(start, end)
    fires = clock.reaching(end)
    if fires is None and not (bounded and holds):
        return
    if not holds and not history.holds(start - view.slide, end - view.slide):
        return
    yield Row(
        key=key,
        start=start,
        end=end,
        revision=0,
        empty=not holds,
        values=history.values(start, end),
        instant=clock.end if fires is None else fires,
        reached=fires is not None,
    )


def _rows_of_window(view, key, end, mine, before, clock, bounded):
    """The rows of the window ending at `end`: `mine` entered it, `before` the one before it."""

    def row(revision, instant, reached=True):
        return Row(
            key=key,
            start=end - view.size,
            end=end,
            revision=revision,
            empty=not history.order,
            values=history.values(),
            instant=instant,
            reached=reached,
        )

    fires = clock.reaching(end)
    if fires is None:
        # End of a bounded run: every window that holds an event fires; no empty row beyond the
        # last watermark.
        if mine and bounded:
            history = History(view, [arrival.held for arrival in mine])
            yield row(0, clock.end, reached=False)
        return

    revision = 0
    on_time = [arrival for arrival in mine if arrival.instant <= fires]
    history = History(view, [arrival.held for arrival in on_time])
    if on_time:
        yield row(revision, fires)
        revision += 1
    elif before:
        # The first window without an event, after one with: an empty row when the watermark is at
        # its end and the one before it holds an event, unless an event has entered it by then.
        instant = max(fires, before[0].instant)
        if not mine or mine[0].instant > instant:
            yield row(revision, instant)
            revision += 1

    # Again for each allowed late event that enters it after that.
    for arrival in mine[len(on_time) :]:
        history.insert(arrival.held)
        yield row(revision, arrival.instant)
        revision += 1


# on_close: sessions


def _on_close_session(view, key, arrivals, clock, bounded):
    sessions = Sessions(view)
    histories = {}  # session → History
    fired = {}  # session → its last row

    def row(session, instant, reached=True):
        previous = fired.get(session)
        fired[session] = Row(
            key=key,
            start=session.start,
            end=session.end,
            revision=previous.revision + 1 if previous else 0,
            empty=False,
            values=histories[session].values(),
            instant=instant,
            reached=reached,
        )
        return fired[session]

    def fire(watermark):
        """All that are due."""
        for session in sessions.all:
            if session not in fired and session.end <= watermark:
                yield row(session, clock.reaching(session.end))

    for arrival in arrivals:
        watermark = clock.before(arrival.instant)
        yield from fire(watermark)
        session, merged = _take_in(view, sessions, histories, arrival)
        if session not in merged:  # its bounds are new: what fired with the old ones is withdrawn
            for old in filter(fired.get, merged):
                yield _withdrawn(fired.pop(old), arrival.instant)
        # Again for an event that enters a fired session; at once if the clock is past the new end.
        if session in fired or session.end <= watermark:
            yield row(session, arrival.instant)
    yield from fire(clock.final)
    if bounded:
        for session in sessions.all:
            if session not in fired:
                yield row(session, clock.end, reached=False)


def _take_in(view, sessions, histories, arrival):
    """What Sessions.add returns; `histories` follows."""
    session, merged = sessions.add(arrival.held, arrival.watermark)
    before = [histories.pop(old) for old in merged]
    if len(before) == 1:
        (history,) = before
        history.insert(arrival.held)
    else:
        history = History(view, session.held)
    histories[session] = history
    return session, merged


def _withdrawn(row, instant):
    """The row that takes another back: its bounds and values, the next revision."""
    return Row(
        key=row.key,
        start=row.start,
        end=row.end,
        revision=row.revision + 1,
        empty=False,
        values=row.values,
        instant=instant,
        retracted=True,
    )


# on_update


def _on_update(view, key, arrivals, clock, bounded):
    kinds = {"session": _OpenSession, "lifetime": _Lifetime}
    shown = kinds.get(view.kind, _Trailing)(view, key)
    if not view.source.aligned:
        # Any order of the events is as good as another; in that of their times the last one's row
        # says all.
        *older, newest = sorted(arrivals, key=lambda arrival: arrival.held)
        for arrival in older:
            shown.take(arrival, NEVER)
        arrivals = [newest._replace(instant=clock.end - 1)]
    for arrival in arrivals:
        watermark = clock.before(arrival.instant)
        yield from shown.expire(watermark, clock)
        yield from shown.add(arrival, watermark)
    yield from shown.expire(clock.final, clock)
    if bounded:
        yield from shown.run_out(clock)


class _Shown:
    """What an on_update view shows of one key: the part that all kinds of window share."""

    def __init__(self, view, key):
        self.view = view
        self.key = key
        self.values = evaluate(view, [])  # of the previous row
        self.revisions = Counter()  # by bounds: rows with equal bounds count revisions

    def take(self, arrival, watermark):
        """Hold an event."""
        raise NotImplementedError

    def add(self, arrival, watermark):
        """The row of an event."""
        raise NotImplementedError

    def expire(self, watermark, clock):
        """The rows of what changes because time has come to `watermark`."""
        return ()

    def run_out(self, clock):
        """The rows of the end of a bounded run."""
        return ()

    def _row(self, start, end, empty, values, instant, reached=True):
        self.values = values
        revision = self.revisions[start, end]
        self.revisions[start, end] += 1
        return Row(self.key, start, end, revision, empty, values, instant, reached)


class _Trailing(_Shown):
    """The trailing window of a tumbling or sliding view."""

    def __init__(self, view, key):
        super().__init__(view, key)
        self.history = History(view)
        self.newest = NEVER  # event time
        self.looked = NEVER  # slide boundaries up to here have been looked at

    def take(self, arrival, watermark):
        self.history.insert(arrival.held)
        self.newest = max(self.newest, arrival.held.time)

    def add(self, arrival, watermark):
        """T is the key's newest event time, or the last slide boundary that the watermark reached,
        if that is later. An event older than the window emits no row."""
        self.take(arrival, watermark)
        time = self.newest
        if watermark != NEVER:
            time = max(time, floor_boundary(self.view, watermark))
        start = trailing_start(self.view, time)
        if arrival.held.time >= start:
            yield self._row(start, time, False, self.history.values(start), arrival.instant)

    def expire(self, watermark, clock):
        """A row at each slide boundary that the watermark reaches, later than the newest event, if
        it changes the values."""
        for boundary, start, empty, values in self._changes(watermark):
            yield self._row(start, boundary, empty, values, clock.reaching(boundary))
        self.looked = watermark

    def run_out(self, clock):
        """Time goes on until the window would hold nothing."""
        for boundary, start, empty, values in self._changes(float("inf")):
            if empty:
                return
            yield self._row(start, boundary, empty, values, clock.end, reached=False)

    def _changes(self, watermark):
        """The boundaries up to `watermark` at which the values are no longer those shown."""
        if self.newest == NEVER or watermark == NEVER:
            return
        boundary = next_boundary(self.view, max(self.looked, self.newest))
        while boundary <= watermark:
            start = trailing_start(self.view, boundary)
            values = self.history.values(start)
            empty = self.newest < start
            if values != self.values:
                yield boundary, start, empty, values
            if empty:
                return  # nothing is left that could change
            boundary += self.view.slide


class _OpenSession(_Shown):
    """The newest session, as long as it is open."""

    def __init__(self, view, key):
        super().__init__(view, key)
        self.sessions = Sessions(view)
        self.histories = {}  # session → History
        self.ran_out = NEVER  # the end of the last session that the clock has reached

    def take(self, arrival, watermark):
        session, _ = _take_in(self.view, self.sessions, self.histories, arrival)
        return session

    def add(self, arrival, watermark):
        """The row of an event of the newest session ends at T: the newest event time, or where a
        session has run out, if that is later. Others, and those run out already, have none."""
        session = self.take(arrival, watermark)
        newest = self.sessions.newest
        if session is newest and session.end > watermark:
            time = max(session.last, self.ran_out)
            values = self.histories[session].values()
            yield self._row(session.start, time, False, values, arrival.instant)

    def expire(self, watermark, clock):
        """An empty row at the end of the newest session, if that changes the values."""
        if not self.sessions.all:
            return
        ends = [session.end for session in self.sessions.all if session.end <= watermark]
        self.ran_out = max([self.ran_out, *ends])
        end = self.sessions.newest.end
        values = evaluate(self.view, [])
        if end <= watermark and values != self.values:
            yield self._row(end, end, True, values, clock.reaching(end))


class _Lifetime(_Shown):
    """All since the key's state began."""

    def __init__(self, view, key):
        super().__init__(view, key)
        self.history = History(view)

    def take(self, arrival, watermark):
        if self.history.order:
            forgotten = self.history.order[-1][0] + self.view.state_ttl
            if arrival.held.time > forgotten or watermark >= forgotten:
                self.history = History(self.view)
                self.revisions.clear()
        self.history.insert(arrival.held)

    def add(self, arrival, watermark):
        self.take(arrival, watermark)
        order = self.history.order
        yield self._row(order[0][0], order[-1][0], False, self.history.values(), arrival.instant)
