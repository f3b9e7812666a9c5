"""What is read in an HTML page."""

import sys

import pytest

from knowledge.chunking import chunks
from knowledge.loaders import page, web
from knowledge.loaders.page import read
from knowledge.loaders.plain import LoadError

PAGE = """<!doctype html>
<html><head><title> Shipping &amp; returns
  – Acme </title><style>p { color: red }</style><script>track()</script></head>
<body>
<nav><ul><li><a href="/">Home</a></li></ul></nav>
<header><h1>Shipping</h1></header>
<main>
<p>We ship to <b>Can</b>ada&nbsp;and
   Mexico.<br>On <a href="/days">work days</a> only.</p>
<h2>Prices <small>2026</small></h2>
<table>
<caption>By country</caption>
<thead><tr><th>Country</th><th>Price</th></tr></thead>
<tbody><tr><th>Canada</th><td><p>$12</p><p>or $20</p></td></tr>
<tr><td>Mexico</td><td>$22|$30</td></tr></tbody>
</table>
<ul><li>Packed</li><li><p>Weighed</p><ul><li>Twice</li></ul></li><li></li>
<li>Sent</ul>
<ol start="3"><li>Third<li>Fourth</ol>
<dl><dt>Parcel</dt><dd>Up to 20 kg.</dd></dl>
<pre>One
  Two</pre>
<h3><button>Do you ship on Sundays?</button></h3><div>We don't.</div>
<form><label>Mail</label><input value="x"><button>Send</button></form>
<p hidden>Hidden 1</p><p style="color: red; DISPLAY : none">Hidden 2</p>
<div aria-hidden="true">Hidden 3</div><div role="navigation">Hidden 4</div>
<template><p>Hidden 5</p></template><noscript>Hidden 6</noscript>
<!-- Hidden 7 --><svg><title>Hidden 8</title><text>Hidden 9</text></svg>
</main>
<footer>Imprint</footer>
</body></html>"""

TEXT = """# Shipping

We ship to Canada and Mexico.
On work days only.

## Prices 2026

By country

| Country | Price |
| --- | --- |
| Canada | $12 or $20 |
| Mexico | $22/$30 |

- Packed
- Weighed
  - Twice
- Sent

3. Third
4. Fourth

Parcel
Up to 20 kg.

One
Two

### Do you ship on Sundays?

We don't."""


def test_it_works() -> None:
    assert read(PAGE) == page.Page("Shipping & returns – Acme", TEXT)


def test_headings_and_columns_stand_over_their_chunks() -> None:
    headings = {TEXT[one.start : one.end]: one.heading for one in chunks(TEXT)}
    [rows] = [heading for text, heading in headings.items() if "Canada |" in text]
    assert rows == "Shipping > Prices 2026 > By country > Country, Price"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("Just words &lt;b&gt; &amp; more", "Just words <b> & more"),
        ("<p>One<p>Two", "One\n\nTwo"),
        ("<div>One<div>Two</div>Three</div>", "One\n\nTwo\n\nThree"),
        ("<p>a<span> b</span><span>c </span>d</p>", "a bc d"),
        ("<p> \n\t</p><p>&nbsp;</p><p>x</p>", "x"),
        ("<p>so&shy;ft\u200b&#x200B;wa\ufeffre&#0;\x01</p>", "software\ufffd"),
        ("<p>\u2003wide\u00a0 \u3000space\u2028</p>", "wide space"),
        ("<p>&#xD800;&#x110000;</p>", "\ufffd\ufffd"),
        ("<h2>\n</h2><p>x</p>", "x"),
        ("<h2>a<br>b</h2>", "## a b"),
        ("<p>a<br><br><br>b</p>", "a\nb"),
        ("<li>stray", "- stray"),
        ("<td>stray<tr>x", "strayx"),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "| a | b |\nc"),
        ("<table><tr><td><td></table>x", "x"),
        ("<table><tr><td>a<td>", "| a |  |"),
        # A table of layout is not one of data; the one in it is.
        (
            "<table><tr><td><table><tr><th>A<th>B<tr><td>1<td>2</table><td>side</table>",
            "| A | B |\n| --- | --- |\n| 1 | 2 |\n\nside",
        ),
        ("<table role=presentation><tr><td>a<td><h2>b</h2></table>", "a\n\n## b"),
        (
            "<form><p>All in one</p><input value=x><button>y</button></form>",
            "All in one",
        ),
        ("<details><summary>More</summary>Words</details>", "More\n\nWords"),
        ("<p hidden=until-found>Found</p>", "Found"),
        (
            "<script>a</script><style>b</style><textarea>c</textarea><select><option>d",
            "",
        ),
        ("<p>a<script>b</script>c</p>", "ac"),
        ("<plaintext></p><p>x", "</p><p>x"),
        ("<![CDATA[x]]><p>y", "y"),
        ("<p>" + "<b>" * 600 + "deep", "deep"),
        ("<div>" * 2000 + "deep", "deep"),
        ("<ul><li>" * 7 + "deep", "        - deep"),
    ],
)
def test_pages_of_all_kinds(html: str, text: str) -> None:
    assert read(html).text == text


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title>A</title><h1>B</h1>", "A"),
        ("<h1>B <i>c</i></h1>", "B c"),
        ("<svg><title>Icon</title></svg><p>x", ""),
        ("<title>\n</title>", ""),
    ],
)
def test_titles(html: str, title: str) -> None:
    assert read(html).title == title


# --- Pages that are made to harm ------------------------------------------------------


def test_a_page_that_takes_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web, "PATIENCE", 1)
    with pytest.raises(LoadError, match="too complicated"):
        web._read("<div>" * 1_000_000)  # the time grows with the square of the depth


@pytest.mark.skipif(sys.platform != "linux", reason="where memory can be limited")
def test_a_page_that_takes_too_much_memory_is_given_up() -> None:
    left_open = "".join(f"<b a={n}>" for n in range(3000))
    with pytest.raises(LoadError, match="too complicated"):
        # Each paragraph begins with all the letters again that the first left open.
        web._read("<p>" + left_open + "<p>x" * 100_000)


def test_pages_are_read_by_a_process_that_knows_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BOOKBAG_SECRET_KEY", "secret")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    assert web._read("<p>Ünïcödé \ud83d\ude00 and \ud800</p>").text.startswith(
        "Ünïcödé"
    )
