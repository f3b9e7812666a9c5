"""Open streams: what a frame costs (S1, S2), what a stream holds (S3).

Frames are counted, and the CPU for them, in a window in which every stream is open and
none begins or ends: the turn around a stream is measured elsewhere.
"""

from collections.abc import Callable, Iterator

from bench import measure, peers
from bench.measure import Sample
from bench.peers import Footprint, Installation, Server
from bench.questions import LONG, SHORT, WORDS
from bench.report import Finding
from bench.rounds import compare, noise
from bookbag.threads import K

STREAMS = 150
STREAMS_ON_DAPHNE = 60  # it saturates far earlier
STREAMS_HELD = 300
PACE = 0.05  # seconds between words: 20 a second, as a quick model gives
SLOW = 0.7  # the same where streams only have to be open
RAMP = 2.0  # seconds in which the streams begin; their turns cost more than frames
WINDOW = 2.0  # seconds; two checkpoints of each stream
BESIDE = 8  # threads beside the K: the main one, the embedding's, and libraries'


def frames(shop: Installation, *, rounds: int) -> Iterator[Finding]:
    """S1: a frame of ours against one of bare ASGI."""
    streamed = shop.chat(LONG, stream=True, close=True)
    with shop.serve(pace=PACE) as ours, peers.floor() as floor:
        found = _a_frame(
            "S1",
            f"{STREAMS} streams at {1 / PACE:.0f} words a second",
            lambda: _frames(ours, streamed, STREAMS),
            "bare ASGI on the same server",
            lambda: _frames(floor, _bare(LONG, PACE), STREAMS),
            hold=1.7,
            rounds=rounds,
        )
    yield found


def on_daphne(shop: Installation, *, rounds: int) -> Iterator[Finding]:
    """S2: a frame of ours against the same on daphne."""
    streamed = shop.chat(LONG, stream=True, close=True)
    with shop.serve(pace=PACE) as ours, shop.serve_on_daphne(pace=PACE) as theirs:
        found = _a_frame(
            "S2",
            f"{STREAMS_ON_DAPHNE} streams",
            lambda: _frames(ours, streamed, STREAMS_ON_DAPHNE),
            "Bookbag on daphne",
            lambda: _frames(theirs, streamed, STREAMS_ON_DAPHNE),
            hold=0.6,
            rounds=rounds,
        )
    yield found


def held(shop: Installation, *, rounds: int) -> Iterator[Finding]:
    """S3: threads and memory with 300 streams open. Once is enough: it counts."""
    streamed = shop.chat(SHORT, stream=True, close=True)
    with shop.serve(pace=SLOW) as ours, peers.floor() as floor:
        mine, memory = _held(ours, streamed)
        _, least = _held(floor, _bare(SHORT, SLOW))
    yield Finding(
        "S3",
        f"threads with {STREAMS_HELD} streams open ({mine.threads})",
        f"K + {BESIDE} ({K + BESIDE})",
        mine.threads / (K + BESIDE),
        hold=1.0,
        exact=True,
    )
    yield Finding("S3", "memory a stream", "30 kB", memory / 30_000, hold=1.0)
    yield Finding("S3", "memory a stream", "bare ASGI", memory / least)


def _a_frame(
    scenario: str,
    streams: str,
    ours: Callable[[], Sample],
    peer: str,
    theirs: Callable[[], Sample],
    *,
    hold: float,
    rounds: int,
) -> Finding:
    best = compare({"ours": ours, "theirs": theirs}, rounds=rounds)
    return Finding(
        scenario,
        f"CPU a frame, {streams}",
        peer,
        best["ours"].cost / best["theirs"].cost,
        hold=hold,
        foreign=noise(*best.values()),
    )


def _bare(question: str, pace: float) -> str:
    """What makes the floor stream as many words."""
    path = f"/stream?words={WORDS[question]}&pace={pace}"
    return peers.request("POST", path, key="-", body="{}", close=True)


def _frames(server: Server, request: str, streams: int) -> Sample:
    sample, _ = server.load_streams(request, count=streams, ramp=RAMP, window=WINDOW)
    return sample


def _held(server: Server, request: str) -> tuple[Footprint, float]:
    """Also the bytes of memory a stream."""
    # What is loaded once, and the heap of a busy moment, are no stream's.
    server.load_streams(request, count=K * 4, ramp=0.5)
    before = measure.rss(server.pid)
    _, after = server.load_streams(request, count=STREAMS_HELD, ramp=RAMP)
    return after, (after.memory - before) / STREAMS_HELD
