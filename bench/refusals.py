"""Floods of requests that are refused (S12): what each costs whoever is flooded."""

from collections.abc import Iterator

from apikeys import secret
from bench import peers
from bench.peers import Installation
from bench.report import Finding
from bench.rounds import compare, noise

REQUESTS = 1500


def refusals(shop: Installation, *, rounds: int) -> Iterator[Finding]:
    """S12: 401 and 429 against the same answers from bare ASGI."""
    path = f"/api/v2/agents/{shop.agent_id}/chat"
    body = '{"message": "Hello"}'
    floods = {  # what it is: the key that is sent, the answer that must come
        "without a key": ("", "401"),
        "with a key that was never issued": (secret.generate("live"), "401"),
        "with a key that has used up its limit": (shop.spent_key, "429"),
    }
    with shop.serve(pace=0) as ours, peers.floor() as floor:
        runs = {}
        for what, (key, status) in floods.items():
            real = peers.request("POST", path, key=key, body=body)
            same = peers.request("POST", f"/refusal/{status}", key=key, body=body)
            for side, server, request in (
                ("ours", ours, real),
                ("bare", floor, same),
            ):
                runs[what, side] = server.answering(status, request, count=REQUESTS)
        for run in runs.values():
            run()
        best = compare(runs, rounds=rounds)
    for what, (_, status) in floods.items():
        mine, limit = best[what, "ours"], best[what, "bare"]
        yield Finding(
            "S12",
            f"CPU a {status}, {what}",
            "the same bytes from bare ASGI",
            mine.cost / limit.cost,
            hold=3.0,
            foreign=noise(mine, limit),
        )
