"""What becomes of a file that a stranger calls a picture, and how it is served."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.files.storage import default_storage
from django.test import Client
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from agents import pictures
from agents.models import Agent, Widget
from agents.pictures import NotAPicture, Picture

BLUE = (32, 96, 208)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def drawn(format: str = "PNG", size: tuple[int, int] = (64, 64), **kw: Any) -> bytes:
    file = io.BytesIO()
    mode = kw.pop("mode", "RGB")
    Image.new(mode, size, BLUE if mode == "RGB" else 0).save(file, format, **kw)
    return file.getvalue()


def png(width: int, height: int, pixels: bytes) -> bytes:
    """With any size in its header, whatever follows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(pixels)),
            chunk(b"IEND", b""),
        ]
    )


def opened(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.content))
    image.load()
    return image


@pytest.mark.parametrize(
    ("format", "extension"),
    [("PNG", "png"), ("JPEG", "jpg"), ("GIF", "png"), ("WEBP", "png")],
)
def test_a_picture_of_each_format_is_drawn_anew(format: str, extension: str) -> None:
    picture = pictures.redraw(drawn(format))
    assert picture.extension == extension
    image = opened(picture)
    assert image.size == (64, 64)
    red, green, blue = image.convert("RGB").getpixel((30, 30))
    assert (abs(red - 32), abs(green - 96), abs(blue - 208)) < (5, 5, 5)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_whatever_its_colours_are_made_of(mode: str) -> None:
    format = "JPEG" if mode == "CMYK" else "PNG"
    assert opened(pictures.redraw(drawn(format, mode=mode))).size == (64, 64)


def test_a_large_one_is_made_smaller_and_a_small_one_is_not_blown_up() -> None:
    assert opened(pictures.redraw(drawn(size=(1500, 1500)))).size == (512, 512)
    assert opened(pictures.redraw(drawn("JPEG", size=(1500, 1500)))).size == (512, 512)
    assert opened(pictures.redraw(drawn(size=(1, 1)))).size == (1, 1)


def test_of_an_animation_the_first_picture_is_kept() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), (shade, 0, 0)) for shade in (0, 250)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    image = opened(pictures.redraw(file.getvalue()))
    assert getattr(image, "n_frames", 1) == 1
    assert image.convert("RGB").getpixel((1, 1))[0] < 10


def test_nothing_but_what_is_seen_is_left_of_the_file() -> None:
    words = b"<script>alert(1)</script> where I live"
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", words.decode())
    exif = Image.Exif()
    exif[0x010E] = words.decode()  # a description
    for file in (
        drawn(pnginfo=note) + words,
        drawn(exif=exif),
        drawn("JPEG", exif=exif, comment=words) + words,
        drawn("GIF", comment=words) + words,
        drawn("WEBP", exif=exif, xmp=words),
    ):
        assert b"script" in file
        picture = pictures.redraw(file)
        assert b"script" not in picture.content
        assert not opened(picture).getexif()


def test_a_photograph_that_lies_on_its_side_is_turned() -> None:
    image = Image.new("RGB", (64, 64), "white")
    image.paste((0, 0, 0), (0, 0, 64, 32))  # dark above
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    turned = opened(pictures.redraw(file.getvalue())).convert("L")
    assert turned.getpixel((32, 5)) > 200 > 50 > turned.getpixel((32, 60))


def refusal(file: bytes) -> str:
    with pytest.raises(NotAPicture) as reason:
        pictures.redraw(file)
    return str(reason.value)


def test_it_must_be_square_and_small() -> None:
    assert refusal(b"") == "The file is empty."
    assert refusal(drawn(size=(64, 32))) == (
        "The picture must be square; it is 64 × 32."
    )
    assert refusal(drawn() + b"\0" * 1024 * 1024) == (
        "The file must be smaller than 1 MB."
    )
    assert "2048 × 2048 pixels at most" in refusal(drawn(size=(2049, 2049), mode="1"))
    large = drawn("JPEG", size=(4096, 4096))
    assert opened(pictures.redraw(large)).size == (512, 512)
    larger = drawn("JPEG", size=(4097, 4097))
    assert "4096 × 4096 pixels at most" in refusal(larger)


@pytest.mark.parametrize(
    "file",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"<html><script>alert(1)</script>",
        b"%PDF-1.4",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"RIFF\0\0\0\0WEBP",
        b"PK\3\4",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        drawn("BMP"),
        drawn("TIFF"),
        drawn("ICO"),
        drawn("PPM"),
        drawn()[:-40],
        drawn("JPEG", size=(256, 256))[:400],
        png(64, 64, b"\0" * 10),
        png(0, 0, b""),
    ],
    ids=lambda file: repr(file[:12]),
)
def test_what_is_no_picture_is_refused(file: bytes) -> None:
    assert "no picture that can be read" in refusal(file)


def test_what_would_unfold_to_gigabytes_is_not_unfolded() -> None:
    bomb = png(30_000, 30_000, b"\0" * 10_000_000)
    assert len(bomb) < 20_000
    refusal(bomb)
    refusal(png(2**31 - 1, 2**31 - 1, b""))
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 200_000_000, zip=True)
    assert len(bomb := drawn(pnginfo=text)) < pictures.MOST_BYTES
    refusal(bomb)


@profile(deadline=None)
@given(
    st.sampled_from([drawn(), drawn("JPEG"), drawn("GIF"), drawn("WEBP")]),
    st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=20
    ),
    st.integers(0, 400),
)
def test_a_damaged_file_is_a_picture_or_a_clean_refusal(
    file: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(file)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        picture = pictures.redraw(bytes(damaged[: len(damaged) - cut]))
    except NotAPicture:
        return
    assert opened(picture).format in ("PNG", "JPEG")


# --- Kept and served ------------------------------------------------------------------


@pytest.mark.django_db
def test_it_is_kept_under_a_name_that_nobody_can_guess(
    agent: Agent, tmp_path: Path
) -> None:
    pictures.give(agent, "icon", pictures.redraw(drawn()))
    pictures.give(agent, "profile_picture", pictures.redraw(drawn("JPEG")))
    widget = Widget.objects.get(agent=agent)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*"))
    assert files == sorted([widget.icon.name, widget.profile_picture.name])
    assert files[0].startswith("icons/")
    assert files[0].endswith(".png")
    assert files[1].startswith("pictures/")
    assert files[1].endswith(".jpg")
    assert all(len(Path(name).stem) == 32 for name in files)


@pytest.mark.django_db
def test_the_former_one_goes_when_the_new_one_is_committed(
    agent: Agent, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        pictures.give(agent, "icon", pictures.redraw(drawn()))
    first = Widget.objects.get(agent=agent).icon.name
    with django_capture_on_commit_callbacks() as callbacks:
        pictures.give(agent, "icon", pictures.redraw(drawn()))
    second = Widget.objects.get(agent=agent).icon.name
    assert first != second
    assert (tmp_path / first).exists()
    for callback in callbacks:
        callback()
    assert not (tmp_path / first).exists()
    with django_capture_on_commit_callbacks(execute=True):
        pictures.take_away(agent, "icon")
        pictures.take_away(agent, "icon")  # once more: there is none
    assert not Widget.objects.get(agent=agent).icon
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.django_db
def test_a_file_whose_row_is_not_saved_is_not_left_behind(
    agent: Agent, tmp_path: Path
) -> None:
    unsaved = Agent(workspace=agent.workspace)
    with pytest.raises(ValueError, match="must be saved"):
        pictures.give(unsaved, "icon", pictures.redraw(drawn()))
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.django_db
def test_it_is_served_as_the_picture_it_is_and_nothing_else(agent: Agent) -> None:
    pictures.give(agent, "icon", pictures.redraw(drawn()))
    icon = Widget.objects.get(agent=agent).icon
    assert icon.url == f"/uploads/{icon.name}"
    for client in (Client(), Client(headers={"origin": "https://example.com"})):
        response = client.get(icon.url)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "immutable" in response.headers["Cache-Control"]
        assert "Cookie" not in response.headers.get("Vary", "")
        assert not response.cookies
        assert opened(Picture(response.content, "png")).size == (64, 64)
    assert Client().head(icon.url).status_code == 200
    assert Client().post(icon.url).status_code == 405


@pytest.mark.django_db
def test_no_other_file_is_served(client: Client, tmp_path: Path) -> None:
    name = "a" * 32
    for path in ("secret_key", "icons/logo.png", f"icons/{name}.svg", f"{name}.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"secret")
        assert client.get(f"/uploads/{path}").status_code == 404, path
    for path in (
        "",
        "icons",
        "icons/",
        "../secret_key",
        "icons/../secret_key",
        "%2e%2e/secret_key",
        f"icons/{name}.png",  # never made
        f"icons/{name}.png/",
        f"icons/{name}.png%0a",
        f"icons/{name}.png%00",
        f"ICONS/{name}.png",
        f"icons/{name.upper()}.png",
        f"icons//{name}.png",
        "%ff",
        "x" * 5000,
    ):
        assert client.get(f"/uploads/{path}").status_code == 404, path


def test_it_is_served_by_the_real_server(http: httpx.Client, tmp_path: Path) -> None:
    picture = pictures.redraw(drawn())
    name = pictures.path_of("icon", pictures.as_file(picture))
    (tmp_path / "icons").mkdir()
    (tmp_path / name).write_bytes(picture.content)
    assert default_storage.exists(name)
    response = http.get(f"/uploads/{name}")
    assert response.status_code == 200
    assert response.content == picture.content
    assert response.headers["content-type"] == "image/png"
    assert "set-cookie" not in response.headers
    for path in ("/uploads/../secret_key", "/uploads/%2e%2e/%2e%2e/etc/passwd"):
        assert http.get(path).status_code == 404
