"""API v1: icons and profile pictures of chatbots, sent as forms."""

import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from agents.models import Agent, AgentStatus, Widget
from apikeys.models import Access, ApiKey
from tests.agents.test_chatbots_api import NOT_FOUND, call, issues, said
from tests.agents.test_pictures import drawn
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from workspaces.models import Workspace

ICON = ("upload-chatbot-icon", "chatbotIconFile", "icon")
PICTURE = ("upload-chatbot-profile-picture", "profilePictureFile", "profile_picture")
UPLOADED = {
    "icon": {"message": "Chatbot chat icon uploaded successfully."},
    "profile_picture": {"message": "Chatbot Profile Picture uploaded successfully."},
}
DELETED = {
    "icon": {"message": "Chatbot icon deleted successfully."},
    "profile_picture": {"message": "Chatbot Profile Picture deleted successfully."},
}
both = pytest.mark.parametrize(("path", "field", "kind"), [ICON, PICTURE])


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def secret(workspace: Workspace) -> str:
    return ApiKey.objects.issue(workspace, label="K")[1]


def upload(secret: str | None, path: str, fields: Any, **more: Any) -> Any:
    headers = more.pop("headers", {})
    if secret:
        headers["authorization"] = f"Bearer {secret}"
    response = Client(headers=headers).post(f"/api/v1/{path}", fields, **more)
    check_response(response, "post", f"/api/v1/{path}")
    return response


def file(content: bytes | None = None, name: str = "a.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, drawn() if content is None else content)


def kept(agent: Agent, kind: str) -> str:
    widget = Widget.objects.filter(agent=agent).first()
    return getattr(widget, kind).name if widget else ""


@both
def test_a_picture_is_given_shown_and_taken_away(
    agent: Agent,
    secret: str,
    path: str,
    field: str,
    kind: str,
    django_capture_on_commit_callbacks: Any,
) -> None:
    fields = {"chatbotId": agent.pk, field: file(), "other": file(b"of no importance")}
    assert said(upload(secret, path, fields)) == UPLOADED[kind]
    response = Client().get(default_storage.url(first := kept(agent, kind)))
    assert Image.open(io.BytesIO(response.content)).size == (64, 64)
    with django_capture_on_commit_callbacks(execute=True):
        jpeg = {"chatbotId": str(agent.pk), field: file(drawn("JPEG"), "../x.svg")}
        assert said(upload(secret, path, jpeg)) == UPLOADED[kind]
    assert kept(agent, kind).endswith(".jpg")
    assert Client().get(default_storage.url(first)).status_code == 404
    away = f"{path.replace('upload', 'delete')}?chatbotId={agent.pk}"
    with django_capture_on_commit_callbacks(execute=True):
        second = kept(agent, kind)
        for _ in range(2):
            assert said(call(secret, "DELETE", away)) == DELETED[kind]
    assert kept(agent, kind) == ""
    assert Client().get(default_storage.url(second)).status_code == 404


def test_icon_and_picture_are_two(agent: Agent, secret: str) -> None:
    for path, field, _ in (ICON, PICTURE):
        said(upload(secret, path, {"chatbotId": agent.pk, field: file()}))
    path = f"delete-chatbot-icon?chatbotId={agent.pk}"
    said(call(secret, "DELETE", path))
    assert kept(agent, "icon") == ""
    assert kept(agent, "profile_picture")


@both
def test_what_is_no_square_picture_is_refused(
    agent: Agent, secret: str, tmp_path: Path, path: str, field: str, kind: str
) -> None:
    for content, word in [
        (drawn(size=(64, 32)), "square"),
        (drawn() + b"\0" * 1024 * 1024, "1 MB"),
        (b"", "empty"),
        (b"<svg/>", "no picture"),
        (drawn("BMP"), "no picture"),
        (drawn()[:60], "no picture"),
    ]:
        fields = {"chatbotId": agent.pk, field: file(content)}
        assert word in issues(upload(secret, path, fields))[field]
    for wrong in ("text", ""):
        fields = {"chatbotId": agent.pk, field: wrong}
        assert issues(upload(secret, path, fields)) == {field: "Must be a file."}
    for fields in ({}, {"icon": file()}, {field.lower(): file()}):
        answer = upload(secret, path, {"chatbotId": agent.pk, **fields})
        assert list(issues(answer)) == [field]
    assert not Widget.objects.exists()
    assert not list(tmp_path.iterdir())


@both
def test_whose_picture_it_is_has_to_be_said(
    agent: Agent, secret: str, path: str, field: str, kind: str
) -> None:
    for fields in ({}, {"chatbotId": ""}, {"chatbotId": file()}):
        answer = upload(secret, path, {field: file(b"x"), **fields})
        assert list(issues(answer)) == ["chatbotId"]


def test_a_form_and_nothing_else(agent: Agent, secret: str) -> None:
    path = ICON[0]
    answer = upload(
        secret, path, {"chatbotId": agent.pk}, content_type="application/json"
    )
    assert said(answer, 415) == {
        "message": "Send a form, and say so: Content-Type: multipart/form-data;"
        " boundary=…"
    }
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert upload(secret, path, b"x", content_type=content_type).status_code == 415
    form = "multipart/form-data; boundary=x"
    for body in (b"", b"x", b"--x", b"--x--", b'{"chatbotId": 1}'):
        said(upload(secret, path, body, content_type=form), 400)
    twice = {"chatbotId": agent.pk, "chatbotIconFile": [file(), file()]}
    assert "twice" in issues(upload(secret, path, twice))["body"]
    many = {"chatbotId": agent.pk, "chatbotIconFile": file(b"x" * 3 * 1024 * 1024)}
    assert "2 MiB" in said(upload(secret, path, many), 413)["message"]
    assert not Widget.objects.exists()


def test_elsewhere_a_form_is_refused_as_ever(agent: Agent, secret: str) -> None:
    answer = upload(secret, "update-chatbot-data", {"chatbotId": agent.pk})
    assert said(answer, 415) == {
        "message": "Send JSON, and say so: Content-Type: application/json."
    }


@both
def test_who_may(
    workspace: Workspace, agent: Agent, secret: str, path: str, field: str, kind: str
) -> None:
    foreign = Agent.objects.create(workspace=make_workspace("Other"), name="Foreign")
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    archived = Agent.objects.create(
        workspace=workspace, name="Gone", status=AgentStatus.ARCHIVED
    )
    _, one = ApiKey.objects.issue(workspace, label="One", agent=agent)
    _, reader = ApiKey.objects.issue(workspace, label="R", access=Access.READ)
    answers = [
        upload(key, path, {"chatbotId": agent_id, field: file(b"no picture")})
        for key, agent_id in [
            *((key, foreign.pk) for key in (secret, one, reader)),
            *((key, archived.pk) for key in (secret, one, reader)),
            *((secret, name) for name in ("x", "0", "٣", "9" * 30, "1_0", "1\n")),
            (one, sibling.pk),
        ]
    ]
    assert all(said(answer, 404) == NOT_FOUND for answer in answers)
    assert len({answer.content for answer in answers}) == 1
    answer = upload(reader, path, {"chatbotId": agent.pk, field: file(b"no picture")})
    assert said(answer, 403) == {"message": "This API key may only read."}
    answer = upload(None, path, {"chatbotId": agent.pk, field: file()})
    assert said(answer, 401) == {"message": "No API key provided."}
    assert not Widget.objects.exists()
    said(upload(one, path, {"chatbotId": agent.pk, field: file()}))


def test_sent_again_it_is_done_once(
    agent: Agent, secret: str, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="chatbotId"\r\n\r\n%d\r\n--x\r\n'
        b'Content-Disposition: form-data; name="chatbotIconFile"; filename="a"\r\n\r\n'
        b"%b\r\n--x--\r\n"
    ) % (agent.pk, drawn())
    sent = {
        "content_type": "multipart/form-data; boundary=x",
        "headers": {"idempotency-key": "one"},
    }
    with django_capture_on_commit_callbacks(execute=True):
        said(upload(secret, ICON[0], body, **sent))
        name = kept(agent, "icon")
        again = upload(secret, ICON[0], body, **sent)
    assert said(again) == UPLOADED["icon"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert kept(agent, "icon") == name
    assert len(list(tmp_path.rglob("*.png"))) == 1


def test_sent_again_with_another_boundary_it_is_the_same_request(
    http: httpx.Client,
) -> None:
    workspace = make_workspace("Boundaries")
    agent = Agent.objects.create(workspace=workspace, name="A")
    _, secret = ApiKey.objects.issue(workspace, label="K")
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "once"}

    def send(picture: bytes) -> httpx.Response:
        return http.post(
            "/api/v1/upload-chatbot-icon",
            data={"chatbotId": str(agent.pk)},
            files={"chatbotIconFile": ("a.png", picture, "image/png")},
            headers=headers,
        )

    first, again, other = (
        send(one) for one in (drawn(), drawn(), drawn(size=(32, 32)))
    )
    assert (
        first.request.headers["content-type"] != again.request.headers["content-type"]
    )
    assert [one.status_code for one in (first, again, other)] == [200, 200, 422]
    assert again.headers["Idempotency-Replayed"] == "true"


def test_no_room_for_a_picture_is_503(
    agent: Agent, secret: str, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    settings.MEDIA_ROOT = tmp_path / "file"
    answer = upload(secret, ICON[0], {"chatbotId": agent.pk, ICON[1]: file()})
    assert "Try again" in said(answer, 503)["message"]
    assert kept(agent, "icon") == ""


def test_the_real_server_takes_and_shows_it(http: httpx.Client) -> None:
    workspace = make_workspace()
    agent = Agent.objects.create(workspace=workspace, name="A")
    _, secret = ApiKey.objects.issue(workspace, label="K")
    headers = {"Authorization": f"Bearer {secret}"}
    content = drawn("WEBP", size=(700, 700))
    answer = http.post(
        "/api/v1/upload-chatbot-icon",
        data={"chatbotId": str(agent.pk)},
        files={"chatbotIconFile": ("a.webp", content, "text/html")},
        headers=headers,
    )
    assert said(answer) == UPLOADED["icon"]
    shown = http.get(Widget.objects.get(agent=agent).icon.url)
    assert shown.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(shown.content)).size == (512, 512)

    # In pieces, of which nobody says how many.
    request = httpx.Request("POST", "http://x", files={"chatbotIconFile": content})
    declared = {**headers, "Content-Type": request.headers["content-type"]}
    whole = request.read()
    pieces = (whole[n : n + 99] for n in range(0, len(whole), 99))
    answer = http.post("/api/v1/upload-chatbot-icon", content=pieces, headers=declared)
    assert list(issues(answer)) == ["chatbotId"]
