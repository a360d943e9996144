"""Where the partitions of a shuffled source decide by how they interleave, there is nothing to
compare with: the reference says so instead of guessing. Tests send traffic that avoids it.

Three things depend on which partition's event comes first:
- deduplication, when two events of one key and id are in different partitions: which is dropped?
- sessions, when an event is so much behind its own partition's watermark that a session beside it
  may be closed, or that it is late unless it merges: has that session been extended by then?
- lifetime states, when one may start anew: of an older event that comes afterwards, or before?

All of these are told from the events alone, and on the safe side.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict

from .values import ABSENT


class Undecided(Exception):
    """The result depends on how partitions interleave."""


def check_decided(source, views, by_partition):
    """Raises Undecided. `by_partition`: the judged events of a shuffled source."""
    judged = [one for events in by_partition.values() for one in events]
    if source.dedup:
        _check_dedup(source, judged)
    for view in views:
        if view.kind == "session":
            _check_sessions(view, judged)
        if view.kind == "lifetime":
            _check_lifetime(view, judged)


def _check_dedup(source, judged):
    places = defaultdict(list)  # (key, id) → (time, partition)
    for event, _, _ in judged:
        if event.fields[source.dedup.field] is not ABSENT:
            place = (event.time, event.partition)
            places[event.key, event.fields[source.dedup.field]].append(place)
    for (key, _), found in places.items():
        found.sort()
        for (time, partition), (later, other) in zip(found, found[1:]):
            if partition != other and later - time <= source.dedup.within:
                raise Undecided(f"{source.name}: duplicates of {key!r} in two partitions")


def _check_sessions(view, judged):
    """An event less than the allowed lateness behind its watermark meets no closed session and is
    never late. Another must have no other near it: then it is a session by itself, late or not."""
    times = defaultdict(list)
    for event, _, _ in judged:
        if view.where(event.fields):
            times[event.key].append(event.time)
    for of_key in times.values():
        of_key.sort()
    for event, watermark, _ in judged:
        if watermark < event.time + view.source.allowed_lateness:
            continue
        near = times[event.key]
        first = bisect_left(near, event.time - view.gap)
        count = bisect_right(near, event.time + view.gap) - first
        if count > view.where(event.fields):
            raise Undecided(
                f"{view.name}: the session of {event.key!r} at {event.time}, watermark {watermark}"
            )


def _check_lifetime(view, judged):
    """No state starts anew if all of a key's events, and all watermarks, are within state.ttl."""
    first, last = {}, {}
    for event, watermark, takers in judged:
        if view.name in takers:
            first[event.key] = min(first.get(event.key, event.time), event.time)
            last[event.key] = max(last.get(event.key, event.time), event.time, watermark)
    for key, time in first.items():
        if last[key] >= time + view.state_ttl:
            raise Undecided(f"{view.name}: the state of {key!r} may start anew")


def fragment_may_show(view, arrivals, watermark):
    """May the online store show a part of a session that has not ended in the end?

    A part that ends with some event was shown if it fired before the events came that extend it:
    all of those were then behind their own partition's watermark.
    """
    ascending = sorted((arrival.held.time, arrival.watermark) for arrival in arrivals)
    if ascending[-1][0] + view.gap <= watermark:
        return False  # the newest session has ended, and is shown as a whole
    times = [time for time, _ in ascending]
    for time, _ in ascending:
        end = time + view.gap
        extending = ascending[bisect_right(times, time) : bisect_right(times, end)]
        if end <= watermark and extending and min(mark for _, mark in extending) >= end:
            return True
    return False
