"""A small Chatbase: a real server with whatever rows and faults a test gives it."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "a-secret-key-of-the-source"


@dataclass(frozen=True)
class Asked:
    path: str
    query: dict[str, str]
    authorization: str


@dataclass
class Chatbot:
    """What the source has of one agent; lists are as they are sent, newest first."""

    row: dict[str, Any]
    conversations: list[Any] = field(default_factory=list)
    leads: list[Any] = field(default_factory=list)
    contacts: list[Any] = field(default_factory=list)
    attributes: list[Any] = field(default_factory=list)


Fault = Callable[[BaseHTTPRequestHandler], None]


class SmallChatbase:
    def __init__(self) -> None:
        self.chatbots: dict[str, Chatbot] = {}
        self.asked: list[Asked] = []
        self.faults: dict[int, Fault] = {}  # by the request's number, from 1
        self.wrap: dict[str, Callable[[Any], Any]] = {}  # by the end of the path
        self.page = 2  # rows, whatever is asked for
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> "SmallChatbase":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, name: str, **lists: list[Any]) -> Chatbot:
        row = {"id": name, "name": f"Agent {name}", "visibility": "public"}
        self.chatbots[name] = Chatbot(row, **lists)
        return self.chatbots[name]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        key = request.headers.get("Authorization", "")
        self.asked.append(Asked(parts.path, query, key))
        if fault := self.faults.get(len(self.asked)):
            fault(request)
        elif key != f"Bearer {KEY}":
            send(request, 401, {"message": "No API key provided."})
        else:
            found = self._found(parts.path.removeprefix("/api/v1/"), query)
            wrap = self.wrap.get(parts.path.rpartition("/")[2], lambda body: body)
            missing = found is None
            body = {"message": "Resource not found"} if missing else wrap(found)
            send(request, 404 if missing else 200, body)

    def _found(self, path: str, query: dict[str, str]) -> Any:
        if path == "get-chatbots":
            return {"chatbots": [one.row for one in self.chatbots.values()]}
        words = path.split("/")
        name = query.get("chatbotId", unquote(words[1]) if len(words) == 3 else "")
        chatbot = self.chatbots.get(name)
        if chatbot is None:
            return None
        if path == "get-conversations":
            return {"data": self._page(chatbot.conversations, query)}
        if path == "get-leads":
            return {"collectedCustomers": self._page(chatbot.leads, query)}
        if words[2] == "contacts":
            found = self._page(chatbot.contacts, query)
            return {"message": "Success", "data": found, "total": len(chatbot.contacts)}
        return {"message": "Success", "data": chatbot.attributes}

    def _page(self, rows: list[Any], query: dict[str, str]) -> list[Any]:
        first = (int(query["page"]) - 1) * self.page
        return rows[first : first + self.page]


def send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: object,
    *,
    kind: str = "application/json",
    **headers: str,
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request.send_response(status)
    request.send_header("Content-Type", kind)
    headers = {"Content_Length": str(len(content)), **headers}
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(content)


# --- Rows ---------------------------------------------------------------------------


def conversation(
    name: str, /, *said: str, day: int = 1, **fields: Any
) -> dict[str, Any]:
    """`said` by turns, the user first; a minute each."""
    times = [f"2026-03-{day:02}T10:{n:02}:00.000Z" for n in range(len(said) + 1)]
    return {
        "id": name,
        "chatbot_id": "c",
        "created_at": times[0],
        "updated_at": times[-2] if said else times[0],
        "last_message_at": times[-2] if said else times[0],
        "source": "Widget or Iframe",
        "min_score": None,
        "messages": [
            {
                "id": f"{name}-{n}",
                "role": "assistant" if n % 2 else "user",
                "content": text,
                "type": "text",
                "createdAt": times[n],
            }
            for n, text in enumerate(said)
        ],
        **fields,
    }


def lead(name: str, /, **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": f"Lead {name}",
        "email": f"{name}@example.com",
        "phone": "+1 555 0100",
        "created_at": "2026-03-01T09:00:00.000Z",
        **fields,
    }


def contact(name: str, /, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"contact-of-{name}",
        "external_id": name,
        "name": f"Contact {name}",
        "email": f"{name}@example.com",
        "phonenumber": None,
        "stripe_accounts": [],
        "custom_attributes": {},
        "created_at": 1_771_000_000,
        "updated_at": 1_771_000_001,
        **fields,
    }


def attribute(name: str, type: str = "text", /, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.title(),
        "type": type,
        "description": "",
        "archived": False,
        **fields,
    }


def fill(source: SmallChatbase) -> None:
    """Two agents, and more than a page of everything of the first."""
    source.add(
        "shop",
        conversations=[
            conversation("five", "Hi", "Hello!", day=5),
            conversation("four", day=4),
            conversation("three", "A?", "B.", "C?", "D.", day=3, min_score=0.25),
            conversation("two", "Where is my order?", day=2, source="WhatsApp"),
            conversation("one", "Ça va ? 👋", "Très bien.", day=1, source="API"),
        ],
        leads=[lead("ann"), lead("bob", phone=None), lead("cid", email=None)],
        contacts=[
            contact("u1", custom_attributes={"plan": "pro", "age": 40}),
            contact("u2", stripe_accounts=[{"label": "main", "stripe_id": "cus_1"}]),
            contact("u/3 ü", custom_attributes={"old": "kept", "free": [1, {"a": 2}]}),
        ],
        attributes=[
            attribute("plan"),
            attribute("age", "number", description="Years"),
            attribute("old", archived=True),
        ],
    )
    source.add("help", conversations=[conversation("six", "?", "!")])
    source.chatbots["help"].row |= {
        "visibility": "private",
        "instructions": "Be brief.",
        "model": "gpt-4o-mini",
        "created_at": "2025-01-01T12:00:00Z",
        "updated_at": "2025-01-02T12:00:00Z",
    }
