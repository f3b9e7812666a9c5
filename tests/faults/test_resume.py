"""A stream that was cut goes on from another process, and after its own has died."""

from collections.abc import Callable
from contextlib import suppress
from subprocess import Popen

import httpx

from tests.faults.conftest import Install
from tests.installation import Installation, kill

SLOWLY = {"BOOKBAG_EMBEDDED_PACE": "0.25", "BOOKBAG_EMBEDDED_LONGEST": "60"}
QUESTION = "Do you ship to Canada, please?"


def frames_of(response: httpx.Response, *, most: int = 1000) -> list[bytes]:
    received = b""
    for chunk in response.iter_raw():
        received += chunk
        if received.count(b"\n\n") >= most:
            break
    return [frame + b"\n\n" for frame in received.split(b"\n\n")[:-1]][:most]


def frames_until_killed(
    response: httpx.Response, maker: Popen[bytes], *, once: Callable[[], str]
) -> list[bytes]:
    """All that the client has had, of a process that is killed when it has saved some
    of it."""
    received = b""
    with suppress(httpx.TransportError):
        for chunk in response.iter_raw():
            received += chunk
            if received.count(b"\n\n") >= 8 and once():
                kill(maker)
    return [frame + b"\n\n" for frame in received.split(b"\n\n")[:-1]]


def text_of(shop: Installation, ids: httpx.Headers) -> str:
    """What is saved of the reply."""
    message = int(ids["x-message-id"].removeprefix("msg_"))
    query = f"SELECT text FROM conversations_message WHERE id = {message}"
    return str(shop.rows(query)[0][0])


def test_head_and_tail_from_another_process_equal_the_uncut_bytes(
    install: Install,
) -> None:
    """Without Redis; the process that makes the reply is killed when it is made."""
    shop = install(REDIS_URL="")
    demo = shop.seed()
    shop.environment |= SLOWLY
    maker = shop.serve()
    with shop.other_port() as elsewhere:
        shop.serve()
    headers = {"Authorization": f"Bearer {demo['api_key']}"}
    chat = f"/api/v2/agents/{demo['agent_id']}/chat"
    with httpx.stream(
        "POST",
        shop.url + chat,
        json={"message": QUESTION},
        headers=headers,
        timeout=60,
    ) as response:
        ids = response.headers
        path = (
            f"/api/v2/agents/{demo['agent_id']}"
            f"/conversations/{ids['x-conversation-id']}"
            f"/messages/{ids['x-message-id']}/stream"
        )
        head = frames_of(response, most=4)

    def resumed(after: int) -> list[bytes]:
        with httpx.stream(
            "GET",
            elsewhere + path,
            params={"after": after},
            headers=headers,
            timeout=60,
        ) as response:
            return frames_of(response)

    uncut = [*head, *resumed(len(head))]  # followed live, from the row
    assert uncut[-1] == b"data: [DONE]\n\n"
    assert b'"type":"finish"' in uncut[-2]
    assert len(uncut) > 10
    kill(maker)
    for after in range(len(uncut) + 1):
        assert resumed(after) == uncut[after:]


def test_a_reply_whose_process_is_killed_midway_ends_in_an_error(
    install: Install,
) -> None:
    shop = install(REDIS_URL="")
    demo = shop.seed()
    shop.environment |= SLOWLY
    maker = shop.serve()
    with shop.other_port() as elsewhere:
        shop.serve()
    headers = {"Authorization": f"Bearer {demo['api_key']}"}
    with httpx.stream(
        "POST",
        f"{shop.url}/api/v2/agents/{demo['agent_id']}/chat",
        json={"message": QUESTION},
        headers=headers,
        timeout=60,
    ) as response:
        ids = response.headers
        head = frames_until_killed(response, maker, once=lambda: text_of(shop, ids))
    path = (
        f"/api/v2/agents/{demo['agent_id']}/conversations/{ids['x-conversation-id']}"
        f"/messages/{ids['x-message-id']}/stream"
    )
    whole = httpx.get(elsewhere + path, headers=headers, timeout=60).content
    saved = whole.split(b"\n\n")[:-3]
    # What was saved is what the client had had, or a second less of it.
    assert saved
    assert [frame + b"\n\n" for frame in saved] == head[: len(saved)]
    assert b'"type":"error"' in whole.split(b"\n\n")[-3]
    tail = httpx.get(
        elsewhere + path, params={"after": len(saved)}, headers=headers, timeout=60
    )
    assert tail.content.startswith(b'data: {"type":"error"')
    assert tail.content.endswith(b"data: [DONE]\n\n")
