"""A proxy before a broker that spoils what the broker answers to the engine's own fetches.

    engine, clients ──▶ Spoiler ──▶ broker        the broker advertises the proxy's address

All else passes as it is. Answers to fetches, while `share` is above 0, come late or in pieces, are cut
off with the connection, have a size that is not theirs, or a changed byte in what a batch's checksum
covers; `spoilt` counts them by kind.
"""

import asyncio
import random
import struct
import threading
from collections import Counter, deque

from process import free_port

_FETCH = 1
_NATIVE_VERSION = 12  # the engine's own; librdkafka's are older
_UNCHECKED = 21  # of a batch's bytes, these are in no checksum


class Spoiler:
    """Use as a context manager, around the broker's life."""

    def __init__(self, seed):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.target = None  # the broker's port
        self.share = 0.0  # of the answers, that are spoilt
        self.spoilt = Counter()
        self._rng = random.Random(f"{seed}/spoiler")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 26)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _end(self):
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        asked = deque()  # whether it is a fetch to be spoilt, of each request under way
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target, limit=1 << 26)
        except OSError:
            writer.close()
            return
        ways = [self._requests(reader, back, asked), self._answers(there, writer, asked)]
        tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        back.close()

    async def _requests(self, reader, writer, asked):
        while True:
            frame = await _frame(reader)
            api, version = struct.unpack(">hh", frame[4:8])
            asked.append(api == _FETCH and version == _NATIVE_VERSION)
            writer.write(frame)
            await writer.drain()

    async def _answers(self, reader, writer, asked):
        while True:
            frame = await _frame(reader)
            if asked.popleft() and self._rng.random() < self.share:
                await self._spoil(frame, writer)
            else:
                writer.write(frame)
            await writer.drain()

    async def _spoil(self, frame, writer):
        kinds = (self._cut, self._delay, self._trickle, self._resize, self._corrupt, self._corrupt)
        kind = self._rng.choice(kinds)
        self.spoilt[kind.__name__.strip("_")] += 1
        await kind(bytearray(frame), writer)

    async def _cut(self, frame, writer):
        writer.write(bytes(frame[: self._rng.randrange(len(frame))]))
        await writer.drain()
        raise ConnectionResetError

    async def _delay(self, frame, writer):
        await asyncio.sleep(self._rng.uniform(0.05, 0.5))
        writer.write(bytes(frame))

    async def _trickle(self, frame, writer):
        step = 1 + len(frame) // 20
        for begin in range(0, len(frame), step):
            writer.write(bytes(frame[begin : begin + step]))
            await asyncio.sleep(0.01)

    async def _resize(self, frame, writer):
        size = self._rng.choice((0, -1, 3, 2**31 - 1, len(frame) - 5, len(frame) // 2))
        writer.write(struct.pack(">i", size) + bytes(frame[4:]))
        await writer.drain()
        await asyncio.sleep(0.2)

    async def _corrupt(self, frame, writer):
        places = [place for batch in _batches(frame) for place in batch]
        if places:
            frame[self._rng.choice(places)] ^= self._rng.randrange(1, 256)
        writer.write(bytes(frame))


async def _frame(reader):
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack(">i", head)[0])


class _Walk:
    """Through an answer to Fetch, version 12."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def skip(self, count):
        self.at += count

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def tags(self):
        for _ in range(self.varint()):
            self.varint()
            self.skip(self.varint())


def _batches(frame):
    """For each record batch, the places of its bytes whose change is noticed."""
    walk = _Walk(frame)
    walk.skip(8)  # size, correlation id
    walk.tags()
    walk.skip(10)  # throttle, error, session
    for _ in range(walk.varint() - 1):
        walk.skip(walk.varint() - 1)  # the topic's name
        for _ in range(walk.varint() - 1):
            yield from _batches_of_partition(walk)
        walk.tags()


def _batches_of_partition(walk):
    walk.skip(4 + 2 + 8 + 8 + 8)
    for _ in range(walk.varint() - 1):  # aborted transactions
        walk.skip(16)
        walk.tags()
    walk.skip(4)
    end = walk.varint() - 1 + walk.at
    while walk.at + 12 < end:
        size = 12 + struct.unpack(">i", walk.data[walk.at + 8 : walk.at + 12])[0]
        yield range(walk.at + _UNCHECKED, min(walk.at + size, end))
        walk.skip(size)
    walk.at = end
    walk.tags()
