"""Pictures that customers give their agents. What is kept is drawn anew: of the file
that came nothing is left but what can be seen."""

import io
import re
import secrets
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import models, transaction
from PIL import Image, ImageOps

from agents import widgets
from agents.models import Agent, Widget
from bookbag.api.errors import Unavailable

log = structlog.get_logger(__name__)

Kind = Literal["icon", "profile_picture"]

MOST_BYTES = 1024 * 1024
MOST_PIXELS = 2048  # a side: a small file may unfold to gigabytes
MOST_OF_A_PHOTOGRAPH = 4096  # which unfolds no further than is needed
SIDE = 512  # what is kept; no page shows it larger
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
TYPES = {"png": "image/png", "jpg": "image/jpeg"}  # that we write
_OURS = re.compile(r"\A(?:icons|pictures)/[0-9a-f]{32}\.(png|jpg)\Z")


class NotAPicture(ValueError):
    """Why the file will not do, in a sentence for whoever sent it."""


@dataclass(frozen=True)
class Picture:
    content: bytes
    extension: str

    @property
    def media_type(self) -> str:
        return TYPES[self.extension]


def redraw(file: bytes) -> Picture:
    """The picture in the file of somebody unknown. NotAPicture."""
    if not file:
        raise NotAPicture("The file is empty.")
    if len(file) >= MOST_BYTES:
        raise NotAPicture("The file must be smaller than 1 MB.")
    try:
        with Image.open(io.BytesIO(file), formats=FORMATS) as image:
            return _redraw(image)
    except NotAPicture:
        raise
    except Exception:  # on broken files Pillow fails in ways of its own
        raise NotAPicture(
            "The file is no picture that can be read: send PNG, JPEG, GIF or WebP."
        ) from None


def give(agent: Agent, kind: Kind, picture: Picture) -> None:
    """From now on the agent has this one, and the former is gone."""
    name = _store(kind, picture)
    try:
        with transaction.atomic():
            _exchange(widgets.locked(agent), kind, name)
    except BaseException:
        remove(name)
        raise


def take_away(agent: Agent, kind: Kind) -> None:
    """From now on the agent has none."""
    with transaction.atomic():
        _exchange(widgets.locked(agent), kind, "")


def find(name: str) -> Picture | None:
    """The picture that we once kept under this name."""
    ours = _OURS.match(name)
    if ours is None:
        return None
    try:
        with default_storage.open(name) as file:
            return Picture(file.read(), extension=ours[1])
    except FileNotFoundError:
        return None


def as_file(picture: Picture) -> ContentFile:
    """To be kept, under a name that nobody can guess."""
    name = f"{secrets.token_hex(16)}.{picture.extension}"
    return ContentFile(picture.content, name)


def path_of(kind: Kind, file: ContentFile) -> str:
    """In the folder of its kind."""
    widget = Widget()
    field: models.FileField = getattr(widget, kind).field
    return field.generate_filename(widget, str(file.name))


def remove(name: str) -> None:
    """Whatever becomes of the file: nobody refers to it."""
    if not name:
        return
    try:
        default_storage.delete(name)
    except OSError:
        log.warning("a picture was not removed", name=name, exc_info=True)


def _exchange(widget: Widget, kind: Kind, name: str) -> None:
    former = getattr(widget, kind).name or ""
    setattr(widget, kind, name)
    widget.save(update_fields=[kind, "updated_at"])
    # Not before: should this be undone, the former one is shown on.
    transaction.on_commit(partial(remove, former))


def _store(kind: Kind, picture: Picture) -> str:
    file = as_file(picture)
    try:
        return default_storage.save(path_of(kind, file), file)
    except OSError as problem:  # no room, no right, no connection
        log.error("a picture could not be kept", exc_info=problem)
        raise Unavailable from problem


def _redraw(image: Image.Image) -> Picture:
    # The header says the size: so far nothing is unfolded.
    width, height = image.size
    if width != height:
        raise NotAPicture(f"The picture must be square; it is {width} × {height}.")
    is_photograph = image.format in ("JPEG", "MPO")
    most = MOST_OF_A_PHOTOGRAPH if is_photograph else MOST_PIXELS
    if width > most:
        raise NotAPicture(f"The picture may be {most} × {most} pixels at most.")
    if is_photograph:
        image.draft("RGB", (SIDE, SIDE))
    drawn = ImageOps.exif_transpose(image).convert("RGB" if is_photograph else "RGBA")
    drawn.thumbnail((SIDE, SIDE))
    drawn.info.clear()  # or comments and profiles are written again
    file = io.BytesIO()
    if is_photograph:
        drawn.save(file, "JPEG", quality=90, optimize=True)
        return Picture(file.getvalue(), "jpg")
    drawn.save(file, "PNG", optimize=True)
    return Picture(file.getvalue(), "png")
