"""A page of the web, as people read it."""

import codecs
import json
import os
import re
import subprocess
import sys

from bookbag import outbound
from bookbag.outbound import Fetched
from knowledge.chunking import Piece, chunks
from knowledge.loaders import page
from knowledge.loaders.page import Page
from knowledge.loaders.plain import LoadError, LoadLater, cleaned
from knowledge.models import MAX_CHARACTERS, MAX_TITLE, Source

PATIENCE = 15  # seconds for reading a page, on a machine with much else to do

_HTML = frozenset(["text/html", "application/xhtml+xml"])
_PLAIN = frozenset(["text/plain", "text/markdown", "text/x-markdown"])
_TRY_AGAIN = frozenset([408, 425, 429])  # and all from 500 on

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PARAMETER = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
_META = re.compile(rb"<meta[^>]+?charset\s*=\s*[\"']?\s*([a-z0-9_:-]+)", re.IGNORECASE)
_META_WITHIN = 1024  # bytes, as browsers look
# Browsers read these as the larger sets that pages of this name are really in.
_REALLY = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
# Python knows more, and some of those, like `unicode_escape`, are no charset of pages.
_CHARSETS = re.compile(
    r"utf-8|utf-16(-[lb]e)?|iso8859-\d+|cp(125\d|874|932|949|866)|koi8-[ru]|gb18030"
    r"|big5hkscs|euc_jp|iso2022_jp|mac-roman"
)
_TITLE = re.compile(r"#[ \t]+(\S.*)")  # of Markdown that begins with one


def text(source: Source) -> str:
    found = _page(source.url or "")
    if source.is_untitled and found.title:
        source.title = found.title[:MAX_TITLE]
    text = cleaned(found.text, what="page")
    if len(text) > MAX_CHARACTERS:
        raise LoadError(f"The page has more than {MAX_CHARACTERS:,} characters.")
    return text


def pieces(text: str) -> list[Piece]:
    return chunks(text)


def _page(url: str) -> Page:
    try:
        fetched = outbound.fetch(url)
    except outbound.OutboundUnreachable as error:
        raise LoadLater(str(error)) from error
    except outbound.OutboundError as error:
        raise LoadError(str(error)) from error
    status = fetched.status
    if not 200 <= status < 300:
        again = status >= 500 or status in _TRY_AGAIN
        sentence = f"The page could not be read: its server answered {status}."
        raise LoadLater(sentence) if again else LoadError(sentence)
    kind = fetched.content_type.partition(";")[0].strip().lower()
    kind = kind or _guess(fetched.body)
    if kind not in _HTML | _PLAIN:
        raise LoadError("The page is neither HTML nor plain text.")
    words = _decoded(fetched, look_inside=kind in _HTML)
    if kind in _HTML:
        return _read(words)
    title = _TITLE.match(words)
    return Page(page.one_line(title[1]) if title else "", words)


def _guess(body: bytes) -> str:
    start = body[:_META_WITHIN].lower()
    is_html = b"<!doctype html" in start or b"<html" in start
    return "text/html" if is_html else "application/octet-stream"


def _decoded(fetched: Fetched, *, look_inside: bool) -> str:
    body = fetched.body
    for bom, charset in _BOMS:
        if body.startswith(bom):
            return body[len(bom) :].decode(charset, errors="replace")
    header = _PARAMETER.search(fetched.content_type)
    named = _charset(header[1]) if header else None
    if not named and look_inside and (found := _META.search(body, 0, _META_WITHIN)):
        named = _charset(found[1].decode("ascii"))
        if named and named.startswith("utf-16"):  # or it could not have been found
            named = "utf-8"
    if named:
        return body.decode(named, errors="replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", errors="replace")


def _charset(name: str) -> str | None:
    """Python's name of a charset that pages may be in."""
    try:
        known = codecs.lookup(name.strip()).name
    except (LookupError, ValueError):
        return None
    known = _REALLY.get(known, known)
    return known if _CHARSETS.fullmatch(known) else None


def _read(html: str) -> Page:
    """The page's text, made by a process of its own: see knowledge.loaders.page."""
    libraries = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
    try:
        done = subprocess.run(
            [sys.executable, "-I", page.__file__],
            input=html.encode(errors="replace"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in libraries if name in os.environ},
            timeout=PATIENCE,
            check=True,
        )
        return Page(**json.loads(done.stdout))
    except (subprocess.SubprocessError, ValueError) as error:
        raise LoadError("The page is too complicated to be read.") from error
