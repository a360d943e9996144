"""The reference: what freshet must produce, computed the slow and obvious way.

`compute` takes a pipeline file and everything that its topics hold, keeps every event, and works
out each row from the definitions of the design. It shares no code with the engine, and decides
malformed, late, closed and empty for itself: an oracle that trusts the engine's own answer lets
a broken engine pass.

    pipeline.py   the pipeline file, read into plain objects
    values.py     the field types: JSON value → value, value → JSON or Redis text
    decode.py     a Kafka record → an event, or the reason why it is a dead letter
    where.py      the filter language
    aggregates.py the features: one table, each a function of a list of values
    tolerances.py values that the engine may miss, and by how much
    windows.py    window bounds
    sessions.py   sessions: what an event merges with, and if it is late
    judge.py      which views take an event: lateness, deduplication, where
    undecided.py  what the interleaving of a shuffled source's partitions decides
    emission.py   which rows one key of one view emits, and when
    online.py     what the online store shows in the end
    model.py      compute(): the steps above over whole topics
"""

from .decode import Record
from .model import Result, compute
from .undecided import Undecided

__all__ = ["Record", "Result", "Undecided", "compute"]
