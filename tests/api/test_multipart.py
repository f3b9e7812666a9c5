"""Forms with files: read as strictly as JSON, and only where a view asks for them."""

import io
from contextlib import suppress
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.test.client import encode_multipart
from hypothesis import given
from hypothesis import strategies as st

from bookbag.api.errors import InvalidBody
from bookbag.api.parsers import FormParser, parse_form

TYPE = "multipart/form-data; boundary=XyZ"


def form(**fields: Any) -> bytes:
    return encode_multipart("XyZ", fields)


def part(head: str, content: bytes = b"x") -> bytes:
    return b"--XyZ\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def refused(body: bytes, content_type: str = TYPE) -> str:
    with pytest.raises(InvalidBody) as error:
        parse_form(body, content_type)
    assert error.value.status_code == 400
    return error.value.message


def test_strings_and_files_by_name() -> None:
    file = SimpleUploadedFile("../a b.png", b"\x00\xff\r\n--Xy", "image/png")
    fields = parse_form(form(chatbotId="12", größe="ü 🦊", icon=file), TYPE)
    assert (fields["chatbotId"], fields["größe"]) == ("12", "ü 🦊")
    assert isinstance(fields["icon"], UploadedFile)
    assert fields["icon"].read() == b"\x00\xff\r\n--Xy"
    assert "/" not in str(fields["icon"].name)


def test_a_file_is_kept_in_memory_whatever_its_size(settings: Any) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    content = b"x" * 300_000
    fields = parse_form(form(icon=SimpleUploadedFile("a", content)), TYPE)
    assert fields["icon"].read() == content


def test_an_empty_file_is_a_file_and_an_empty_choice_is_none() -> None:
    empty = part('Content-Disposition: form-data; name="a"; filename="a.png"', b"")
    assert parse_form(empty + b"--XyZ--", TYPE)["a"].size == 0
    unchosen = part('Content-Disposition: form-data; name="a"; filename=""', b"")
    assert parse_form(unchosen + b"--XyZ--\r\n", TYPE) == {"a": ""}


def test_nothing_comes_twice() -> None:
    text = part('Content-Disposition: form-data; name="a"')
    file = part('Content-Disposition: form-data; name="a"; filename="a.png"')
    for twice in (text + text, file + file, text + file):
        assert "twice" in refused(twice + b"--XyZ--\r\n")


def test_what_is_cut_off_is_refused() -> None:
    whole = form(chatbotId="12", icon=SimpleUploadedFile("a.png", b"x" * 500))
    assert set(parse_form(whole, TYPE)) == {"chatbotId", "icon"}
    for cut in range(3, len(whole) - 4, 7):
        refused(whole[:-cut])


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=ü",
        f"multipart/form-data; boundary={'x' * 300}",
        "multipart/form-data; boundary=other",
        "multipart/form-data; boundary*=x",
        "application/json",
    ],
)
def test_a_wrong_boundary(content_type: str) -> None:
    refused(form(chatbotId="12"), content_type)


def test_what_cannot_be_kept_is_refused() -> None:
    assert "U+0000" in refused(form(chatbotId="1\0"))
    assert "U+0000" in refused(form(**{"a\0b": "1"}))
    flood = b"".join(
        part(f'Content-Disposition: form-data; name="a{n}"') for n in range(2_000)
    )
    refused(flood + b"--XyZ--\r\n")


heads = st.sampled_from(
    [
        'Content-Disposition: form-data; name="a"',
        'Content-Disposition: form-data; name="b"; filename="b.png"',
        "Content-Disposition: form-data; name*=UTF-8''%ff; filename*=x''%zz",
        "Content-Disposition: attachment",
        'content-disposition: form-data; name="c"\r\nContent-Transfer-Encoding: base64',
        'Content-Disposition: form-data; name="d"; filename="d"\r\nContent-Type: ;;=',
        "Content-Disposition",
        ": :",
        "",
    ]
)


@given(
    st.lists(
        st.one_of(
            st.tuples(heads, st.binary(max_size=30)).map(lambda x: part(*x)),
            st.binary(max_size=20),
            st.sampled_from([b"--XyZ", b"--XyZ--", b"\r\n"]),
        ),
        max_size=6,
    ),
    st.booleans(),
)
def test_any_bytes_are_a_form_or_a_clean_refusal(
    parts: list[bytes], closed: bool
) -> None:
    body = b"".join(parts) + (b"--XyZ--\r\n" if closed else b"")
    with suppress(InvalidBody):
        fields = parse_form(body, TYPE)
        assert all(isinstance(one, str | UploadedFile) for one in fields.values())


def test_the_parser_reads_a_stream() -> None:
    parser = FormParser()
    assert parser.parse(io.BytesIO(form(a="1")), TYPE) == {"a": "1"}
