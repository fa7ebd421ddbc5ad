"""Readers as the mission has them: visits of a few pages, by popularity, each on a connection of its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from itertools import accumulate

import msgspec

from publisher.costs.bill import Traffic
from publisher.ports import LOOPBACK

PATIENCE_SECONDS = 20.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader got: a status, and milliseconds to its last byte; `first` of a visit, its connection included.

    The status is 0 where the visit broke off; there is no address then.
    """

    address: str
    status: int
    ms: float
    first: bool


class Readers:
    """Those of one region, who come to `port` of the loopback; the same for the same seed.

    A visit asks for the home page, and then for as many reviews, products and lists as the mission's visits do on
    average. Which review it is follows Zipf: the first of them twice as often as the second. Of what a reader's program
    has already, it asks whether that is still so, as often as the mission says.
    """

    def __init__(self, port: int, addresses: Mapping[str, Sequence[str]], *, seed: int) -> None:
        self.port, self._addresses = port, addresses
        self._chance = random.Random(seed)
        self._weights = {
            kind: list(accumulate(1 / rank for rank in range(1, len(some) + 1))) for kind, some in addresses.items()
        }
        self._traffic = Traffic()
        self._tags = dict[str, str]()
        self.answers = list[Answer]()

    async def come(self, visits: float, seconds: float) -> list[Answer]:
        """So many visits a second, at random times, for so long; the answers, when all are there."""
        self.answers = []
        until, at = time.perf_counter() + seconds, time.perf_counter()
        under_way = list[asyncio.Task[None]]()
        while (at := at + self._chance.expovariate(visits)) < until:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            under_way.append(asyncio.create_task(self._visit(self._wishes())))
        await asyncio.gather(*under_way)
        return self.answers

    async def see_all(self) -> None:
        """Ask for every address once, over sixteen connections. RuntimeError when one of them broke off."""
        every, self.answers = [address for some in self._addresses.values() for address in some], []
        await asyncio.gather(*(self._visit(every[start::16], PATIENCE_SECONDS * 15) for start in range(16)))
        if not all(answer.status for answer in self.answers):
            raise RuntimeError("a reader who asked for every address was not answered in time")

    def _wishes(self) -> list[str]:
        wished = list[str]()
        for kind, share in self._traffic.pages.items():
            times = int(share) + (self._chance.random() < share % 1)
            wished += self._chance.choices(self._addresses[kind], cum_weights=self._weights[kind], k=times)
        return wished

    async def _visit(self, wished: Sequence[str], patience: float = PATIENCE_SECONDS) -> None:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(patience):
                reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
                try:
                    for number, address in enumerate(wished):
                        status = await self._get(reader, writer, address)
                        now = time.perf_counter()
                        self.answers.append(
                            Answer(address=address, status=status, ms=1e3 * (now - began), first=number == 0)
                        )
                        began = now
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            self.answers.append(Answer(address="", status=0, ms=1e3 * (time.perf_counter() - began), first=True))

    async def _get(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> int:
        held = self._tags.get(address) if self._chance.random() < self._traffic.unchanged else None
        condition = f"If-None-Match: {held}\r\n" if held else ""
        writer.write(f"GET {address} HTTP/1.1\r\nHost: site\r\nAccept-Encoding: gzip\r\n{condition}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, lines = int(head[9:12]), head.split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if status == 200 and "etag" in headers:
            self._tags[address] = headers["etag"]
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        elif status != 304:
            await reader.readexactly(int(headers.get("content-length", "0")))
        return status
