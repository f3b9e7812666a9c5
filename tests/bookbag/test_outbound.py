"""What comes of a URL that may be called: an answer, or a sentence and no more."""

import asyncio
import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_django import Settings
from yarl import URL

from bookbag import outbound
from bookbag.addresses import Allowlist
from tests.sites import Page, Site, Visit, page, redirect


def names(answers: dict[str, list[str]]) -> outbound.LookUp:
    """A name server of ours: what it says first, then what it says next."""

    def look_up(host: str, port: int) -> Sequence[str]:
        answer = answers[host]
        return [answer.pop(0) if len(answer) > 1 else answer[0]]

    return look_up


def fetch(
    url: str, look_up: outbound.LookUp, *, deadline: float = 10
) -> outbound.Fetched:
    return asyncio.run(outbound.afetch(url, look_up=look_up, deadline=deadline))


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    """Allowed by its address 127.0.0.1; the same machine's 127.0.0.2 is not."""
    with Site() as site:
        settings.OUTBOUND_ALLOW = Allowlist.parse(f"127.0.0.1:{site.port}")
        yield site


def test_it_works(site: Site) -> None:
    site.pages["/shipping"] = page("Two days.", kind="text/plain; charset=utf-8")

    fetched = outbound.fetch(site.url("/shipping?to=ca"))

    assert fetched == outbound.Fetched(
        url=site.url("/shipping?to=ca"),
        status=200,
        content_type="text/plain; charset=utf-8",
        body=b"Two days.",
    )
    [(_, path, headers)] = site.visits
    assert path == "/shipping?to=ca"
    assert headers["User-Agent"] == "Bookbag"


def test_an_error_page_is_an_answer_too(site: Site) -> None:
    site.pages["/"] = page("Gone", status=410)
    fetched = outbound.fetch(site.url())
    assert (fetched.status, fetched.body) == (410, b"Gone")


def test_the_site_hears_its_own_name(site: Site, settings: Settings) -> None:
    site.pages["/"] = page("x")

    fetch(site.url(host="shop.example"), names({"shop.example": ["127.0.0.1"]}))

    [(_, _, headers)] = site.visits
    assert headers["Host"] == f"shop.example:{site.port}"


def test_a_name_that_is_allowed_may_lead_anywhere(
    site: Site, settings: Settings
) -> None:
    site.pages["/"] = page("x")
    settings.OUTBOUND_ALLOW = Allowlist.parse(f"intranet.example:{site.port}")
    looked_up = names(
        {"intranet.example": ["127.0.0.1"], "evil.example": ["127.0.0.1"]}
    )

    assert fetch(site.url(host="intranet.example"), looked_up).body == b"x"
    with pytest.raises(outbound.OutboundRefused):
        fetch(site.url(host="evil.example"), looked_up)
    assert site.connections == 1


# --- Names that change --------------------------------------------------------------


def test_a_name_is_looked_up_once_and_its_address_used(site: Site) -> None:
    site.pages["/"] = page("x")
    answers = {"shop.example": ["127.0.0.1", "127.0.0.2"]}

    fetch(site.url(host="shop.example"), names(answers))

    assert [address for address, *_ in site.visits] == ["127.0.0.1"]
    assert answers["shop.example"] == ["127.0.0.2"]


def test_a_name_that_has_moved_inside_is_refused(site: Site) -> None:
    site.pages["/"] = redirect("/again")
    site.pages["/again"] = page("secret")
    answers = {"shop.example": ["127.0.0.1", "127.0.0.2"]}

    with pytest.raises(outbound.OutboundRefused):
        fetch(site.url(host="shop.example"), names(answers))

    assert [path for _, path, _ in site.visits] == ["/"]


# --- Redirects ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_three_redirects_are_followed(site: Site, status: int) -> None:
    site.pages["/1"] = redirect("/2", status=status)
    # As UTF-8, which servers send though they should not.
    site.pages["/2"] = redirect("3?q=ü".encode().decode("latin-1"), status=status)
    site.pages["/3"] = redirect(site.url("/4"), status=status)
    site.pages["/4"] = page("There")

    fetched = outbound.fetch(site.url("/1"))

    assert (fetched.url, fetched.body) == (site.url("/4"), b"There")
    assert [path for _, path, _ in site.visits] == ["/1", "/2", "/3?q=%C3%BC", "/4"]


def test_a_fourth_is_not(site: Site) -> None:
    site.pages["/"] = redirect("/")
    with pytest.raises(outbound.OutboundFailed, match="redirects more than 3 times"):
        outbound.fetch(site.url())
    assert len(site.visits) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/inside",
        "//127.0.0.2:{port}/inside",
        "http://[::ffff:127.0.0.1]:{port}/inside",
        "http://0x7f.1:{port}/inside",
        "http://2130706434:{port}/inside",
        "http://localhost.:{port}/inside",
        "http://inside.example:{port}/inside",
        "http://shop.example@127.0.0.2:{port}/inside",
        "http://127.0.0.1:{port}\\@127.0.0.2:{port}/inside",
        "\\\\127.0.0.2:{port}\\inside",
        "\\/127.0.0.2:{port}/inside",
        "/\t/127.0.0.2:{port}/inside",
        "http://127.0.0.1:1/inside",
        "http://169.254.169.254/inside",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/inside",
        "javascript:inside",
        "http://[::1/inside",
    ],
)
def test_each_redirect_is_checked(site: Site, location: str) -> None:
    site.pages["/"] = redirect(location.replace("{port}", str(site.port)))
    site.pages["/inside"] = page("secret")
    looked_up = names({"shop.example": ["127.0.0.1"], "inside.example": ["127.0.0.2"]})

    with pytest.raises(outbound.OutboundRefused):
        fetch(site.url(host="shop.example"), looked_up)

    assert [path for _, path, _ in site.visits] == ["/"]


def test_no_redirect_leads_from_https_to_http() -> None:
    secure = URL("https://shop.example/a")
    assert str(outbound.redirected(secure, "/b")) == "https://shop.example/b"
    assert str(outbound.redirected(secure, "//b.example/")) == "https://b.example/"
    with pytest.raises(outbound.OutboundRefused, match="from https to http"):
        outbound.redirected(secure, "http://shop.example/b")
    plain = URL("http://shop.example/a")
    assert str(outbound.redirected(plain, "https://shop.example/")).startswith("https")


def test_a_redirect_to_nowhere_is_an_answer(site: Site) -> None:
    site.pages["/"] = page("x", status=302)
    assert outbound.fetch(site.url()).status == 302


def test_cookies_are_not_kept(site: Site) -> None:
    site.pages["/"] = redirect("/again", Set_Cookie="visitor=1; Path=/")
    site.pages["/again"] = page("x")

    outbound.fetch(site.url())

    assert [path for _, path, _ in site.visits] == ["/", "/again"]
    assert not any("Cookie" in headers for *_, headers in site.visits)


def test_neither_proxies_nor_passwords_of_the_environment_are_used(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site.pages["/"] = page("x")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login operator password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Site() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)

        assert outbound.fetch(site.url()).body == b"x"

        assert proxy.connections == 0
    assert "Authorization" not in site.visits[0][2]


# --- Answers without an end -----------------------------------------------------------


def endless(first: bytes, piece: bytes) -> Page:
    return lambda visit: visit.drip(first, piece)


@pytest.mark.parametrize(
    "endless_page",
    [
        endless(b"", b""),
        endless(b"HTTP/1.1 200 OK\r\n", b""),
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"x"),
        endless(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"
        ),
        endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=[
        "silence",
        "headers",
        "length",
        "chunks",
        "body",
        "header",
        "hints",
        "continue",
    ],
)
def test_a_slow_answer_is_given_up(site: Site, endless_page: Page) -> None:
    site.pages["/"] = endless_page
    with pytest.raises(outbound.OutboundUnreachable, match="did not answer in time"):
        outbound.fetch(site.url(), deadline=0.5)


def test_the_deadline_is_for_all_redirects_together(site: Site) -> None:
    def slow(visit: Visit) -> None:
        site.closed.wait(0.4)
        visit.give("", status=302, Location="/")

    site.pages["/"] = slow
    with pytest.raises(outbound.OutboundUnreachable):
        outbound.fetch(site.url(), deadline=1)
    assert len(site.visits) < 4


def test_a_name_server_that_is_silent_is_given_up(site: Site) -> None:
    silence = threading.Event()

    def look_up(host: str, port: int) -> Sequence[str]:
        silence.wait(60)
        return ["127.0.0.1"]

    with pytest.raises(outbound.OutboundUnreachable):
        fetch(site.url(host="shop.example"), look_up, deadline=0.3)
    # Given up while the look-up still waits.
    assert [one for one in threading.enumerate() if one.name == "look-up"]
    silence.set()
    assert site.connections == 0


@pytest.mark.parametrize(
    "piece", [b"X-Header: x\r\n" * 1000, b"X-Long: " + b"x" * 100_000]
)
def test_headers_without_an_end_are_not_read(site: Site, piece: bytes) -> None:
    site.pages["/"] = endless(b"HTTP/1.1 200 OK\r\n", piece)
    with pytest.raises(outbound.OutboundUnreachable):
        outbound.fetch(site.url())


# --- Answers that are too large -------------------------------------------------------


def test_a_body_as_large_as_allowed_is_read(site: Site) -> None:
    site.pages["/"] = page(b"x" * 1000)
    assert len(outbound.fetch(site.url(), max_bytes=1000).body) == 1000
    with pytest.raises(outbound.OutboundFailed, match="larger than"):
        outbound.fetch(site.url(), max_bytes=999)


def test_a_body_that_says_how_large_it_is_is_not_begun(site: Site) -> None:
    heavy = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n"
    site.pages["/"] = endless(heavy, b"")
    with pytest.raises(outbound.OutboundFailed, match="larger than 5 MB"):
        outbound.fetch(site.url())


def test_a_body_that_does_not_say_is_cut_off(site: Site) -> None:
    site.pages["/"] = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1_000_000)
    with pytest.raises(outbound.OutboundFailed, match="larger than 5 MB"):
        outbound.fetch(site.url())


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_packed_body_is_unpacked(site: Site, coding: str) -> None:
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}[coding](b"Two days.")
    site.pages["/"] = page(packed, Content_Encoding=coding)
    assert outbound.fetch(site.url()).body == b"Two days."


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_does_not_go_off(site: Site, coding: str) -> None:
    """Gigabytes, if all of it were unpacked before anybody counts."""
    if coding == "gzip":
        packed = gzip.compress(bytes(10_000_000)) * 400
    else:
        packer = zlib.compressobj()
        packed = b"".join(packer.compress(bytes(10_000_000)) for _ in range(10))
    assert len(packed) < outbound.MAX_BYTES
    site.pages["/"] = page(packed, Content_Encoding=coding)
    with pytest.raises(outbound.OutboundFailed, match="larger than 5 MB"):
        outbound.fetch(site.url())


# --- Nothing to be had ----------------------------------------------------------------


def garbage(body: bytes) -> Page:
    def page(visit: Visit) -> None:
        visit.close_connection = True
        visit.wfile.write(body)

    return page


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.example ESMTP\r\n",
        b"-ERR unknown command\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nX-\0: x\r\n\r\n",
        b"HTTP/9.9 999 OK\r\n\r\n",
    ],
)
def test_what_is_no_web_page_is_told_apart_from_nothing_by_nobody(
    site: Site, body: bytes
) -> None:
    site.pages["/"] = garbage(body)
    with pytest.raises(outbound.OutboundError) as other:
        outbound.fetch(site.url())
    assert str(other.value) == outbound.NOT_REACHED


def test_nor_is_a_closed_port_nor_a_missing_name(settings: Settings) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        port = unused.getsockname()[1]
        settings.OUTBOUND_ALLOW = Allowlist.parse(f"127.0.0.1:{port}")
        with pytest.raises(outbound.OutboundUnreachable) as closed:
            outbound.fetch(f"http://127.0.0.1:{port}/")
    with pytest.raises(outbound.OutboundUnreachable) as missing:
        # However long the machine's own resolver takes to find nothing.
        outbound.fetch("http://nowhere.invalid/", deadline=120)
    assert str(closed.value) == str(missing.value) == outbound.NOT_REACHED


def test_a_certificate_must_be_good_and_is_asked_for_by_name(
    settings: Settings, tmp_path: Path
) -> None:
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed("shop.example", tmp_path / "shop.pem"))
    context.sni_callback = lambda _, name, __: asked.append(name)
    with Site({"/": page("x")}, tls=context) as site:
        settings.OUTBOUND_ALLOW = Allowlist.parse(f"127.0.0.1:{site.port}")
        url = f"https://shop.example:{site.port}/"
        with pytest.raises(outbound.OutboundUnreachable):
            fetch(url, names({"shop.example": ["127.0.0.1"]}))
    assert asked == ["shop.example"]
    assert site.visits == []


def self_signed(host: str, path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(pem)
    )
    return path
