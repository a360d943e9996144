"""Which views take an event: lateness, deduplication and `where`, in that order (section 5).

Lateness is judged by the event's own partition's watermark just before it. Tumbling and sliding
windows need no more; a session's lateness depends on the sessions that the events before have made.
"""

from collections import defaultdict

from .sessions import Sessions
from .values import ABSENT
from .windows import is_late


class Judge:
    """Of one source. Events come partition by partition, each partition's in their order."""

    def __init__(self, source, views, counts):
        self.source = source
        self.views = views
        self.counts = counts  # late by view and duplicates by source are counted here
        # Per session view and key: the events that passed `where`.
        self.sessions = defaultdict(dict)
        self.accepted = defaultdict(list)  # (key, id) → event times

    def takers(self, event, watermark):
        """The names of the views that take the event; None if it is late for all there are."""
        late_for = {view.name for view in self.views if self._is_late(view, event, watermark)}
        for name in late_for:
            self.counts["late", name] += 1
        if self.views and len(late_for) == len(self.views):
            return None
        if self._is_duplicate(event):
            self.counts["duplicates", self.source.name] += 1
            return frozenset()
        taking = [
            view for view in self.views if view.name not in late_for and view.where(event.fields)
        ]
        for view in taking:
            if view.kind == "session":
                self._sessions_of(view, event.key).add(event, watermark)
        return frozenset(view.name for view in taking)

    def _is_late(self, view, event, watermark):
        if view.kind == "lifetime":
            return False
        if view.kind == "session":
            return self._sessions_of(view, event.key).is_late(event.time, watermark)
        return is_late(view, event.time, watermark)

    def _sessions_of(self, view, key):
        return self.sessions[view.name].setdefault(key, Sessions(view))

    def _is_duplicate(self, event):
        """Key and id equal those of an accepted event that is at most `within` away in time. An
        event without the field is no duplicate, and none is one of it."""
        dedup = self.source.dedup
        if dedup is None or event.fields[dedup.field] is ABSENT:
            return False
        times = self.accepted[event.key, event.fields[dedup.field]]
        if any(abs(event.time - time) <= dedup.within for time in times):
            return True
        times.append(event.time)
        return False
