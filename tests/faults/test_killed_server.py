"""`kill -9`, at a bad moment. What was acknowledged is there afterwards."""

import signal
import time
from contextlib import AbstractContextManager
from typing import Any

import httpx

from tests.faults.conftest import Install
from tests.installation import Installation, eventually, kill

SLOWLY = {"BOOKBAG_EMBEDDED_PACE": "0.5", "BOOKBAG_EMBEDDED_LONGEST": "60"}


def chat(installation: Installation, demo: dict, **body: object) -> httpx.Response:
    body = {"message": "Do you ship to Canada?", "stream": False, **body}
    return httpx.post(**_request(installation, demo), json=body)


def stream(
    installation: Installation, demo: dict, message: str = "Do you ship to Canada?"
) -> AbstractContextManager[httpx.Response]:
    request = _request(installation, demo)
    return httpx.stream("POST", **request, json={"message": message})


def _request(installation: Installation, demo: dict) -> dict[str, Any]:
    return {
        "url": f"{installation.url}/api/v2/agents/{demo['agent_id']}/chat",
        "headers": {"Authorization": f"Bearer {demo['api_key']}"},
        "timeout": 90,
    }


def test_a_reply_cut_off_by_a_crash(install: Install) -> None:
    shop = install()
    demo = shop.seed()
    shop.environment |= SLOWLY
    server = shop.serve()
    received = ""
    with stream(shop, demo, "Do you ship to Canada, please?") as response:
        conversation = int(response.headers["x-conversation-id"])
        for line in response.iter_lines():
            received += line
            if received.count("text-delta") == 5:
                break
        kill(server)
    assert "[DONE]" not in received

    messages = f"FROM conversations_message WHERE conversation_id = {conversation}"
    assert shop.rows(f"SELECT text {messages} AND role = 'user'") == [
        ("Do you ship to Canada, please?",)
    ]
    shop.serve()
    ended = f"SELECT status {messages} AND role = 'assistant' ORDER BY id"
    eventually(
        lambda: shop.rows(ended)[0][0] in ("partial", "failed"),
        seconds=120,
    )
    again = chat(shop, demo, conversationId=conversation, message="hello")
    assert again.status_code == 200
    assert shop.rows(ended)[1] == ("complete",)


def test_a_second_message_need_not_wait_for_the_reaper(install: Install) -> None:
    """It may be told to come back, but is never lost and never interleaves."""
    shop = install()
    demo = shop.seed()
    shop.environment |= SLOWLY
    server = shop.serve()
    with stream(shop, demo) as response:
        conversation = int(response.headers["x-conversation-id"])
        next(response.iter_lines())
        kill(server)
    shop.serve()
    statuses = []
    deadline = time.monotonic() + 120
    while 200 not in statuses and time.monotonic() < deadline:
        answer = chat(shop, demo, conversationId=conversation, message="hello")
        statuses.append(answer.status_code)
    assert statuses[-1] == 200
    assert set(statuses[:-1]) <= {409}


def test_a_source_whose_indexer_died_is_picked_up(install: Install) -> None:
    shop = install()
    demo = shop.seed()
    server = shop.serve()
    shop.python(
        "from knowledge.models import Source; from agents.models import Agent;"
        f" agent = Agent.objects.get(pk={demo['agent_id']});"
        " text = ''.join(f'Item {n} costs {n} dollars. ' for n in range(40_000));"
        " Source.objects.create(workspace_id=agent.workspace_id, agent=agent,"
        " kind='text', title='Big', content=text)"
    )
    status = "SELECT status FROM knowledge_source WHERE title = 'Big'"
    eventually(lambda: shop.rows(status) == [("indexing",)])
    kill(server)
    # Edited while nobody works on it, to less than would take minutes.
    shop.python(
        "from knowledge.models import Source;"
        " Source.objects.filter(title='Big').update(content='It costs $5.',"
        " content_version=2)"
    )
    shop.serve()
    eventually(lambda: shop.rows(status) == [("ready",)], seconds=180)


def test_a_server_told_to_stop_tells_its_clients(install: Install) -> None:
    shop = install()
    demo = shop.seed()
    shop.environment |= SLOWLY
    server = shop.serve()
    with stream(shop, demo) as response:
        lines = response.iter_lines()
        next(lines)
        server.send_signal(signal.SIGTERM)
        rest = [line for line in lines if line]
    assert '"type":"error"' in rest[-2]
    assert rest[-1] == "data: [DONE]"
    server.wait(timeout=120)
    assert "Traceback" not in shop.log.read_text()
    replies = "SELECT status FROM conversations_message ORDER BY id DESC LIMIT 1"
    assert shop.rows(replies) == [("partial",)]


def test_who_waits_for_news_holds_up_no_stop(install: Install) -> None:
    shop = install()
    demo = shop.seed()
    server = shop.serve()
    talk = chat(shop, demo).json()["data"]["metadata"]
    request = _request(shop, demo)
    agent = request.pop("url").removesuffix("/chat")
    events = f"{agent}/conversations/{talk['conversationId']}/events"
    request["headers"] |= {"Accept": "text/event-stream"}
    with httpx.stream("GET", events, **request) as response:
        lines = response.iter_lines()
        assert "id: 1" in [next(lines) for _ in range(4)]
        server.send_signal(signal.SIGTERM)
        list(lines)  # ends as a response does, and is not cut off
    server.wait(timeout=120)
    assert "Traceback" not in shop.log.read_text()


def test_ctrl_c_ends_all_of_it(install: Install) -> None:
    shop = install()
    shop.seed()
    server = shop.serve()
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=120) == 0
    log = shop.log.read_text()
    assert f"Bookbag is at {shop.url}" in log
    assert "Traceback" not in log


def test_a_taken_port_is_a_sentence(install: Install) -> None:
    shop = install()
    shop.serve()
    second = shop.start("manage.py", "serve")
    assert second.wait(timeout=120) == 1
    log = shop.log.read_text()
    assert f"Port {shop.port}" in log
    assert "Traceback" not in log


def test_a_database_that_is_not_there_is_a_sentence(install: Install) -> None:
    shop = install()
    shop.environment["DATABASE_URL"] = "postgres://bookbag:hush@127.0.0.1:1/none"
    for command in (["serve"], ["serve", "--demo"], ["seed_demo"]):
        assert shop.start("manage.py", *command).wait(timeout=120) == 1
    log = shop.log.read_text()
    assert log.count("The database does not answer") == 3
    assert "Traceback" not in log
    assert "hush" not in log


def test_an_empty_database_is_a_sentence(install: Install) -> None:
    shop = install()
    shop.manage("migrate", "conversations", "zero", "--verbosity=0")
    for command in (["serve"], ["seed_demo"], ["create_key", "--workspace", "1"]):
        assert shop.start("manage.py", *command).wait(timeout=120) == 1
    log = shop.log.read_text()
    assert log.count("Run `manage.py migrate` first.") == 3
    assert "Traceback" not in log
