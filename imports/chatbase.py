"""A client of an API that speaks like Chatbase's v1, for reading it from end to end.

The address is the operator's own choice, and may be one of the house; so this is not
`bookbag.outbound`, which keeps customers' addresses out of it. Redirects are refused,
for the key would go along.
"""

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import IO, Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

CHATBASE = "https://www.chatbase.co/api/v1"
CONVERSATIONS = 100  # a page; the most that Chatbase gives
LEADS = 100
CONTACTS = 500

# Below 100 in ten seconds, which is what the source allows all programs together.
REQUESTS, WINDOW = 80, 10.0
ATTEMPTS = 6
LONGEST_WAIT = 300.0  # seconds that a Retry-After may ask for
SILENCE = 30.0  # seconds without a byte
DEADLINE = 180.0  # seconds for an answer, however it drips
LARGEST = 64 * 1024 * 1024  # bytes

Waiting = Callable[[float, str], None]


class SourceError(Exception):
    """The source cannot be read, in a sentence for the operator."""


class Refused(SourceError):
    """The source does not give this one list; others it may."""


class _Passing(Exception):
    """It may be better the next time; in so many seconds, if the source says so."""

    def __init__(self, what: str, seconds: float | None = None) -> None:
        super().__init__(what)
        self.seconds = seconds


class Chatbase:
    """The source. Rows are as it sends them: see `imports.facts`."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        waiting: Waiting = lambda seconds, why: None,
        sleep: Callable[[float], None] = time.sleep,
        silence: float = SILENCE,
        deadline: float = DEADLINE,
    ) -> None:
        self.url = checked_url(url)
        self._key = _checked_key(key)
        self._waiting = waiting
        self._sleep = sleep
        self._silence = silence
        self._deadline = deadline
        self._begun: deque[float] = deque(maxlen=REQUESTS)
        self._opener = urllib.request.build_opener(_NoRedirects)

    def __repr__(self) -> str:
        return f"<Chatbase {self.url}>"

    @property
    def is_near(self) -> bool:
        """On this very machine."""
        return urlsplit(self.url).hostname in ("localhost", "127.0.0.1", "::1")

    def chatbots(self) -> list[object]:
        return _rows(self._get("get-chatbots"), "get-chatbots", "chatbots")

    def conversations(self, chatbot: str, *, page: int, since: str) -> list[object]:
        found = self._get(
            "get-conversations",
            chatbotId=chatbot,
            startDate=since,
            page=page,
            size=CONVERSATIONS,
        )
        return _rows(found, "get-conversations", "conversations")

    def leads(self, chatbot: str, *, page: int, since: str) -> list[object]:
        found = self._get(
            "get-leads", chatbotId=chatbot, startDate=since, page=page, size=LEADS
        )
        return _rows(found, "get-leads", "collectedCustomers", "leads")

    def contacts(self, chatbot: str, *, page: int) -> tuple[list[object], int | None]:
        """A page of them, and how many there are in all, if the source says so."""
        path = f"chatbots/{quote(chatbot, safe='')}/contacts"
        found = self._get(path, page=page, per_page=CONTACTS)
        total = found.get("total") if isinstance(found, dict) else None
        rows = _rows(found, "contacts", "contacts", "users")
        return rows, total if type(total) is int and total >= 0 else None

    def attributes(self, chatbot: str) -> list[object]:
        path = f"chatbots/{quote(chatbot, safe='')}/custom-attributes"
        return _rows(self._get(path), "custom-attributes", "custom_attributes")

    # --- One request --------------------------------------------------------------

    def _get(self, path: str, **query: str | int) -> object:
        asked = urlencode({name: value for name, value in query.items() if value != ""})
        url = f"{self.url}/{path}" + (f"?{asked}" if asked else "")
        wait = 1.0
        for attempt in range(1, ATTEMPTS + 1):
            self._keep_pace()
            try:
                return self._attempt(url)
            except _Passing as problem:
                if attempt == ATTEMPTS:
                    raise SourceError(
                        f"The source does not answer: {problem}. It was asked"
                        f" {ATTEMPTS} times. Run the same command again later: it goes"
                        " on where it was."
                    ) from None
                seconds = wait if problem.seconds is None else problem.seconds
                self._waiting(seconds, str(problem))
                self._sleep(seconds)
                wait *= 2
        raise AssertionError("The last attempt answers or raises.")

    def _keep_pace(self) -> None:
        if len(self._begun) == REQUESTS:
            early = self._begun[0] + WINDOW - time.monotonic()
            if early > 0:
                self._sleep(early)
        self._begun.append(time.monotonic())

    def _attempt(self, url: str) -> object:
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Accept": "application/json",
            "User-Agent": "Bookbag/1 (import)",  # the library's own is often refused
        }
        request = urllib.request.Request(url, headers=headers)
        try:
            with self._opener.open(request, timeout=self._silence) as answer:
                kind = answer.headers.get_content_type()
                body = self._body(answer)
        except urllib.error.HTTPError as error:
            with error:
                self._refuse(error)
        except TimeoutError:
            raise _Passing("it was silent for too long") from None
        except (OSError, http.client.HTTPException) as error:
            raise _Passing(_what_broke(error)) from None
        if kind == "text/html" or body.lstrip()[:1] == b"<":
            raise SourceError(
                "The source answered with a web page, not with JSON. Is"
                f" {self.url} the address of its API?"
            )
        return _parsed(body)

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        end = time.monotonic() + self._deadline
        announced = answer.length or 0
        parts = []
        size = 0
        while part := answer.read1(64 * 1024):
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise SourceError("The source's answer is larger than 64 MiB.")
            if time.monotonic() > end:
                raise _Passing("its answer came too slowly")
        if size < announced:
            raise _Passing("its answer broke off")
        return b"".join(parts)

    def _refuse(self, error: urllib.error.HTTPError) -> NoReturn:
        status = error.code
        said = self._said(error)
        if status == 429:
            raise _Passing("it wants fewer requests", _retry_after(error.headers))
        if status >= 500 or status == 408:
            raise _Passing(f"status {status}{said}", _retry_after(error.headers))
        if status == 401:
            raise SourceError(
                f"The source does not accept the API key (401){said}. Copy it anew"
                " from where it was made."
            )
        if 300 <= status < 400:
            raise SourceError(
                f"The source sends its visitors elsewhere ({status}). Give the address"
                " of the API itself with --from; the key is not sent on."
            )
        if error.headers.get_content_type() == "text/html":
            raise SourceError(
                f"The source answered with a web page ({status}), not with JSON. Is"
                f" {self.url} the address of its API?"
            )
        raise Refused(f"the source does not give them ({status}{said})")

    def _said(self, error: urllib.error.HTTPError) -> str:
        """What the source says of it, without what it must not repeat."""
        try:
            body = json.loads(error.read(10_000))
            said = body.get("message") or body["error"]
            said = said["message"] if isinstance(said, dict) else said
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            return ""
        except (AttributeError, KeyError, TypeError):
            return ""
        if not isinstance(said, str):
            return ""
        said = " ".join(said.replace(self._key, "…").split())
        printable = "".join(c for c in said[:200] if c.isprintable())
        return f": {printable}".rstrip(".") if printable else ""


def checked_url(url: str) -> str:
    """The address, without a slash at its end. SourceError."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        port, parts = None, urlsplit("")
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or not plain
        or not re.fullmatch(r"[!-~]{1,500}", url.strip())
    ):
        raise SourceError(
            f"This is not the address of an API: {CHATBASE} is one. It begins with"
            " http:// or https:// and has neither “?” nor “#” nor a password."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _checked_key(key: str) -> str:
    key = key.strip()
    if not re.fullmatch(r"[!-~]{1,1000}", key):
        raise SourceError("The API key is empty, or has characters that no key has.")
    return key


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def _what_broke(error: OSError | http.client.HTTPException) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "it was silent for too long"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    if isinstance(reason, http.client.HTTPException):
        return "its answer broke off"
    return str(reason)[:200]


def _retry_after(headers: Any) -> float | None:
    text = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        # A gateway may have cut it short: that passes.
        raise _Passing("what it sends is not JSON") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number.")


def _rows(body: object, what: str, *names: str) -> list[object]:
    """The list in an answer, which some wrap once or twice."""
    found = body
    for _ in range(3):
        if isinstance(found, list):
            return found
        if not isinstance(found, dict):
            break
        inside = [found[name] for name in (*names, "data") if name in found]
        if not inside:
            break
        found = inside[0]
    raise SourceError(
        f"The source's answer to {what} is not what Chatbase sends: it has no list of"
        " them. Is --from the address of an API like Chatbase's v1?"
    )
