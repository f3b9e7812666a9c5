"""Which URLs are called, and which never: on saving, and once more on fetching."""

import asyncio
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import pytest
from pytest_django import Settings

from bookbag import outbound
from bookbag.addresses import Allowlist, allowlist, is_public
from tests.sites import Site, page

# With the port of a site that listens here, which the operator allows elsewhere: only
# the address stands in the way.
LITERALS = [
    # Loopback, as everybody writes it.
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}",
    "HTTP://127.0.0.1:{port}/",
    "hTTp://127.0.0.1:{port}/?q=http://example.com",
    "http://127.0.0.1:{port}/#@example.com",
    "http://127.0.0.2:{port}/",
    "http://127.255.255.254:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://LocalHost:{port}/",
    "http://a.localhost:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/",
    # Unspecified, which leads to loopback as well.
    "http://0.0.0.0:{port}/",
    "http://[::]:{port}/",
    "http://[0::0]:{port}/",
    # Private, shared, link-local, and where clouds keep their secrets.
    "http://10.0.0.1:{port}/",
    "http://10.255.255.255:{port}/",
    "http://172.16.0.1:{port}/",
    "http://172.31.255.254:{port}/",
    "http://192.168.0.1:{port}/",
    "http://192.168.255.255:{port}/",
    "http://169.254.169.254:{port}/latest/meta-data/",
    "http://169.254.0.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://100.100.100.200:{port}/",
    "http://100.127.255.254:{port}/",
    "http://168.63.129.16:{port}/",
    "http://192.0.0.192:{port}/opc/v2/",
    "http://[fc00::1]:{port}/",
    "http://[fd00:ec2::254]:{port}/",
    "http://[fdff:ffff:ffff::1]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[febf::1]:{port}/",
    "http://[fec0::1]:{port}/",
    # Special, documentation, benchmarks, multicast, broadcast, reserved.
    "http://0.1.2.3:{port}/",
    "http://192.0.0.8:{port}/",
    "http://192.0.2.1:{port}/",
    "http://192.88.99.1:{port}/",
    "http://198.18.0.1:{port}/",
    "http://198.51.100.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://239.255.255.250:{port}/",
    "http://240.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://[ff02::1]:{port}/",
    "http://[ff0e::1]:{port}/",
    "http://[100::1]:{port}/",
    "http://[2001:db8::1]:{port}/",
    "http://[3fff::1]:{port}/",
    "http://[5f00::1]:{port}/",
    # IPv4 inside IPv6: mapped, compatible, translated, tunnelled.
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::FFFF:127.0.0.1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::ffff:169.254.169.254]:{port}/",
    "http://[::ffff:10.0.0.1]:{port}/",
    "http://[::ffff:8.8.8.8]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[64:ff9b::a9fe:a9fe]:{port}/",
    "http://[64:ff9b:1::10.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2002:a9fe:a9fe::1]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    # Other digits that mean the same.
    "http://１２７.０.０.１:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://ⓛocalhost:{port}/",
    "http://loc\u00adalhost:{port}/",
    # Odd spellings of IPv4, which the system's resolver would read.
    "http://2130706433:{port}/",
    "http://017700000001:{port}/",
    "http://0x7f000001:{port}/",
    "http://0X7F000001:{port}/",
    "http://0x7f.1:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.0.0.01:{port}/",
    "http://00000127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://0:{port}/",
    "http://0x0:{port}/",
    "http://00:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.0.0.0x1:{port}/",
    "http://3232235521:{port}/",
    "http://0xa9fea9fe:{port}/",
    "http://4294967297:{port}/",
    "http://256.0.0.1:{port}/",
    "http://1.2.3.4.5:{port}/",
    # Zones.
    "http://[fe80::1%25eth0]:{port}/",
    "http://[fe80::1%eth0]:{port}/",
    "http://[::1%25lo]:{port}/",
    # Who is asked, and who was meant.
    "http://example.com@127.0.0.1:{port}/",
    "http://example.com:80@127.0.0.1:{port}/",
    "http://user:secret@example.com:{port}/",
    "http://@127.0.0.1:{port}/",
    "http://:@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@example.com/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/",
    "http://example.com/a\\b",
    "http://127.0.0.1:{port}\t/",
    "http://127.0.0.1\t:{port}/",
    "ht\ttp://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/\r\nHost: example.com",
    "http://127.0.0.1:{port}/\0",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/ ",
    "http://exa mple.com:{port}/",
    "http://127.0.0.1\u200b:{port}/",
    "http://127.0.0.1:{port}/\u2028",
    "http://127.0.0.1:{port}/\ud800",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://127.0.0.1%2f:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://[::1:{port}/",
    "http://::1:{port}/",
    "http://[v1.fe80::a]:{port}/",
    # Not what can be fetched.
    "",
    "/",
    "example.com",
    "//127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http://",
    "http://:{port}/",
    "http://?127.0.0.1:{port}",
    "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_x",
    "dict://127.0.0.1:{port}/",
    "ws://127.0.0.1:{port}/",
    "data:text/html,x",
    "javascript:alert(1)",
    "view-source:http://127.0.0.1:{port}/",
    "blob:http://127.0.0.1:{port}/x",
    "http://example.com:/",
    "http://example.com:99999/",
    "http://example.com:-1/",
    "http://example.com:+80/",
    "http://example.com:٨٠/",
    "http://example.com:80:{port}/",
    "http://exa..mple.com/",
    "http://-example.com/",
    "http://example-.com/",
    "http://" + "a" * 64 + ".com/",
    "http://" + "a." * 130 + "com/",
    "http://example.com/" + "a" * 2_000,
]
# And on the usual ports, where there is no port to mind.
LITERALS += ["http://127.0.0.1/", "https://127.0.0.1/", "https://[::1]/", "http://0/"]
PORTS = [
    "http://example.com:22/",
    "http://example.com:0/",
    "http://example.com:8080/",
    "https://example.com:6379/",
    "http://93.184.215.14:25/",
    "http://[2606:4700::1111]:11211/",
]
ALLOWED = [
    "http://example.com",
    "https://example.com/page?q=1#part",
    "http://example.com:443/",
    "https://example.com:80/",
    "http://93.184.215.14/",
    "https://[2606:4700:4700::1111]/",
    "https://bücher.example/ä",
    "https://xn--bcher-kva.example/",
    "https://my_shop.example/",
    "https://1.example/",
    "https://example.com/a%20b/%0d%0a",
    "https://intranet/",  # its address will be looked at
]
# What a name may be found to be.
ANSWERS = [
    ["127.0.0.1"],
    ["::1"],
    ["::ffff:127.0.0.1"],
    ["64:ff9b::7f00:1"],
    ["10.0.0.1"],
    ["169.254.169.254"],
    ["100.64.0.1"],
    ["fe80::1%eth0"],
    ["93.184.215.14", "127.0.0.1"],
    ["127.0.0.1", "93.184.215.14"],
    ["2606:4700::1111", "::1"],
    ["203.0.113.5", "127.0.0.1"],  # the first of which the operator allows
    ["127.0.0.1", "203.0.113.5"],
]


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    """Whoever comes here was not stopped."""
    with Site({"/": page("secret")}) as site:
        elsewhere = f"203.0.113.0/24:{site.port} [2001:db8:5::]:{site.port}"
        settings.OUTBOUND_ALLOW = Allowlist.parse(elsewhere)
        yield site


def test_the_corpus_is_large_enough() -> None:
    assert len(set(LITERALS)) == len(LITERALS) >= 120


@pytest.mark.parametrize("url", LITERALS, ids=lambda url: ascii(url)[1:70])
def test_such_a_url_is_refused_when_saved_and_when_fetched(
    site: Site, url: str
) -> None:
    url = url.replace("{port}", str(site.port))
    with pytest.raises(outbound.OutboundRefused) as saved:
        outbound.check(url)
    with pytest.raises(outbound.OutboundRefused) as fetched:
        outbound.fetch(url)
    assert str(saved.value) == str(fetched.value)
    assert str(saved.value).endswith((".", ". Give one like https://example.com/page."))
    assert site.connections == 0


def test_the_same_site_is_reached_once_it_is_allowed(
    site: Site, settings: Settings
) -> None:
    settings.OUTBOUND_ALLOW = Allowlist.parse(f"127.0.0.0/8:{site.port}")
    assert outbound.fetch(site.url()).body == b"secret"
    assert site.connections == 1


@pytest.mark.parametrize("url", PORTS)
def test_other_ports_are_refused(url: str) -> None:
    with pytest.raises(outbound.OutboundRefused, match="only the ports 80 and 443"):
        outbound.check(url)


@pytest.mark.parametrize("url", ALLOWED, ids=ascii)
def test_public_addresses_and_names_are_allowed(url: str) -> None:
    outbound.check(url)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer[0])
def test_a_name_is_refused_if_any_of_its_addresses_is(
    site: Site, answer: Sequence[str]
) -> None:
    with pytest.raises(outbound.OutboundRefused, match="not on the public Internet"):
        asyncio.run(
            outbound.afetch(
                site.url(host="shop.example"), look_up=lambda host, port: answer
            )
        )
    assert site.connections == 0


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer[0])
def test_not_one_address_of_such_a_name_is_tried(
    site: Site, answer: Sequence[str]
) -> None:
    resolver = outbound.Resolver(lambda host, port: answer)
    with pytest.raises(outbound.OutboundRefused):
        asyncio.run(resolver.resolve("shop.example", site.port))


@pytest.mark.parametrize(
    "url", [url for url in LITERALS if "@127" in url or ":sec" in url]
)
def test_passwords_are_refused_as_such(url: str) -> None:
    with pytest.raises(outbound.OutboundRefused) as refused:
        outbound.check(url.replace("{port}", "80"))
    backslashed = "\\" in url
    assert str(refused.value) == (
        outbound.NOT_A_URL if backslashed else outbound.NO_PASSWORDS
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_even_a_url_that_nobody_checked_connects_to_no_such_address(
    site: Site, host: str
) -> None:
    async def skip_the_check() -> None:
        async with outbound.open_session() as session:
            await session.get(site.url(host=host))

    with pytest.raises(outbound.OutboundRefused):
        asyncio.run(skip_the_check())
    assert site.connections == 0


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00::1"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


# --- What operators allow ---------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("10.1.0.0/16", "http://10.1.2.3/"),
        ("10.1.0.0/16", "https://10.1.2.3/"),
        ("10.1.2.3", "http://10.1.2.3/"),
        ("10.1.0.0/16:8080", "http://10.1.2.3:8080/"),
        ("fd00::/8", "http://[fd00::1]/"),
        ("[fd00::/8]:8080", "http://[fd00::1]:8080/"),
        ("[fd00::1]", "http://[fd00::1]/"),
        ("intranet.example:8080", "http://intranet.example:8080/"),
        ("Intranet.Example:8080", "http://INTRANET.example:8080/"),
        ("localhost:8080", "http://localhost:8080/"),
        ("127.0.0.1:8080", "http://localhost:8080/"),
        ("10.1.0.0/16,intranet.example:8080", "http://intranet.example:8080/"),
        ("10.1.0.0/16 intranet.example:8080", "http://10.1.0.1/"),
    ],
)
def test_what_an_operator_allows_is_allowed(
    settings: Settings, allowed: str, url: str
) -> None:
    settings.OUTBOUND_ALLOW = Allowlist()
    with pytest.raises(outbound.OutboundRefused):
        outbound.check(url)
    settings.OUTBOUND_ALLOW = Allowlist.parse(allowed)
    outbound.check(url)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("10.1.0.0/16", "http://10.2.0.1/"),
        ("10.1.0.0/16", "http://10.1.2.3:8080/"),
        ("10.1.0.0/16:8080", "http://10.1.2.3/"),
        ("10.1.0.0/16:8080", "http://10.1.2.3:8081/"),
        ("10.1.0.0/16", "http://[::ffff:10.1.2.3]/"),
        ("intranet.example:8080", "http://intranet.example:8081/"),
        ("intranet.example:8080", "http://www.intranet.example:8080/"),
        ("intranet.example:8080", "http://user@intranet.example:8080/"),
        ("intranet.example:8080", "ftp://intranet.example:8080/"),
    ],
)
def test_and_nothing_beside_it(settings: Settings, allowed: str, url: str) -> None:
    settings.OUTBOUND_ALLOW = Allowlist.parse(allowed)
    with pytest.raises(outbound.OutboundRefused):
        outbound.check(url)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("10.1.2.3/16", "10.1.2.3/16"),
        ("10.1.0.0/33", "10.1.0.0/33"),
        ("intranet.example:0", "intranet.example:0"),
        ("intranet.example:65536", "intranet.example:65536"),
        ("intranet.example:http", "intranet.example:http"),
        ("ok.example http://intranet.example", "http://intranet.example"),
        ("*.example", "*.example"),
        ("[fd00::1]8080", "[fd00::1]8080"),
        ("0x7f.1", "0x7f.1"),
        ("intranet.example:٨٠", "intranet.example:٨٠"),
    ],
)
def test_a_wrong_allowlist_is_a_sentence(text: str, part: str) -> None:
    with pytest.raises(SystemExit) as problem:
        allowlist("BOOKBAG_OUTBOUND_ALLOW", text)
    assert str(problem.value).startswith("BOOKBAG_OUTBOUND_ALLOW must list ")
    assert f"“{part}”" in str(problem.value)
