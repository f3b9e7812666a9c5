"""The client: a process of its own, so that its work is not counted as the server's.

It reads a plan, as JSON, from standard input and writes JSON lines to standard output:
how many streams are open and frames have come, when every stream has begun and again
when the window is over; and at the end what it counted.

Python costs it 10 to 20 µs a frame, so it is good for some 30,000 frames a second on a
core; the quick runs ask for a fifth of that. It does not time frames.
"""

import asyncio
import json
import secrets
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop

PATIENCE = 60  # seconds for the whole of a plan
SETTLE = 0.3  # seconds after the last stream began, whose turn may have work left
FRAME_END = b"\n\n"
HEAD_END = b"\r\n\r\n"
LAST = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Plan:
    """`count` requests. As streams all at once, begun within `ramp` seconds; otherwise
    one after another on each of `connections`. The window, in seconds, begins when all
    streams have."""

    port: int
    request: str
    count: int
    streams: bool = False
    ramp: float = 1.0
    window: float = 0.0
    connections: int = 4


@dataclass(slots=True)
class Tally:
    """What came back."""

    statuses: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    complete: int = 0
    cpu: float = 0.0  # seconds that this process used
    seconds: float = 0.0

    def note(self, head: bytes) -> None:
        status = head[9:12].decode()  # HTTP/1.1 200
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Stream(asyncio.Protocol):
    """One event stream: counts frames until the last."""

    def __init__(self, plan: Plan, tally: Tally, began: asyncio.Semaphore) -> None:
        self.plan = plan
        self.tally = tally
        self.began = began
        self.ended = asyncio.get_running_loop().create_future()
        self.tail = b""
        self.head_seen = False

    def connection_made(self, transport: Any) -> None:
        transport.write(self.plan.request.encode())

    def data_received(self, data: bytes) -> None:
        if not self.head_seen:
            self.head_seen = True
            self.tally.note(data)
            self.began.release()
        joined = self.tail + data
        # A chunk's length stands before each frame, so none is counted twice.
        self.tally.frames += joined.count(FRAME_END) - self.tail.count(FRAME_END)
        if LAST in joined:
            self.tally.complete += 1
        self.tail = joined[-len(LAST) + 1 :]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def run_streams(plan: Plan, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    began = asyncio.Semaphore(0)
    ends = []
    for _ in range(plan.count):
        _, stream = await loop.create_connection(
            lambda: Stream(plan, tally, began), "127.0.0.1", plan.port
        )
        ends.append(stream.ended)
        await asyncio.sleep(plan.ramp / plan.count)
    for _ in range(plan.count):
        await began.acquire()
    for seconds in (SETTLE, plan.window):
        await asyncio.sleep(seconds)
        still = sum(not end.done() for end in ends)
        print(json.dumps({"open": still, "frames": tally.frames}), flush=True)
    await asyncio.gather(*ends)


async def run_requests(plan: Plan, tally: Tally) -> None:
    # Never the numbers of an earlier run, which the server may remember.
    first = secrets.randbelow(90_000_000)
    left = iter(range(first, first + plan.count))
    await asyncio.gather(
        *(_one_after_another(plan, tally, left) for _ in range(plan.connections))
    )


async def _one_after_another(plan: Plan, tally: Tally, left: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", plan.port)
    for number in left:
        # A request may hold its number, so that no two need be the same.
        writer.write(plan.request.replace("00000000", f"{number:08}").encode())
        head = await reader.readuntil(HEAD_END)
        length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
        await reader.readexactly(int(length))
        tally.note(head)
        tally.complete += 1
    writer.close()


async def _run(plan: Plan) -> Tally:
    tally = Tally()
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        await (run_streams if plan.streams else run_requests)(plan, tally)
    tally.seconds = time.monotonic() - began
    tally.cpu = time.process_time()
    return tally


def main() -> None:
    plan = Plan(**json.load(sys.stdin))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        tally = runner.run(_run(plan))
    print(json.dumps(asdict(tally)), flush=True)


if __name__ == "__main__":
    main()
