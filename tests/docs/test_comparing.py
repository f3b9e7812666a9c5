"""A guide that shows something else than what came is found out."""

import pytest

from tests.docs.comparing import Differs, Names

DELTA = 'data: {"type":"text-delta","text":"Two "}'


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        ({"text": "Two days."}, {"text": "Three days."}),
        ({"text": "Two days."}, {"text": "Two days.", "more": 1}),
        ({"text": "Two days."}, {}),
        ([1], [1, 1]),
        ({"total": 2}, {"total": 3}),
        ({"hasMore": False}, {"hasMore": 0}),
        ({"userId": None}, {"userId": "anna"}),
        ({"id": "msg_1"}, {"id": "call_1"}),
        ({"id": "msg_1"}, {"id": 1}),
        ({"createdAt": 1784712360}, {"createdAt": "today"}),
        ({"score": 0.9}, {"score": 0.2}),
        ({"cursor": "Wz…"}, {"cursor": "xWz"}),
        (["msg_1", "msg_2"], ["msg_5", "msg_5"]),
        (["msg_1", "msg_1"], ["msg_5", "msg_6"]),
    ],
)
def test_json_that_differs(shown: object, came: object) -> None:
    with pytest.raises(Differs):
        Names().compare(shown, came)


def test_json_of_other_ids_and_times() -> None:
    names = Names()
    names.compare(
        {
            "id": "msg_788",
            "of": "456",
            "createdAt": 1,
            "text": "We ship …",
            "limit": 10,
        },
        {"id": "msg_2", "of": "9", "createdAt": 7, "text": "We ship it", "limit": 10.0},
    )
    assert names.in_place("/456/msg_788 4567 msg_7889") == "/9/msg_2 4567 msg_7889"


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        ("one\ntwo", "one"),
        ("one", "one\ntwo"),
        ("one\n…\nthree", "one\ntwo"),
        ("…\none", "one\ntwo"),
        ("x-message-id: msg_1", "x-message-id: 1"),
        ("content-type: text/plain", "content-type: text/html"),
        ("x-ratelimit-limit: 100", "x-ratelimit-limit: 99"),
        (DELTA, DELTA.replace("Two", "Three")),
        (DELTA, DELTA.replace("text-delta", "error")),
        ("data: [DONE]", "data: [done]"),
    ],
)
def test_lines_that_differ(shown: str, came: str) -> None:
    with pytest.raises(Differs):
        Names().compare_text(shown, came)


def test_lines_of_other_ids_and_times() -> None:
    names = Names()
    shown = f"date: then\n…\nx-message-id: msg_788\n{DELTA}\nconversation 456\n…\n"
    came = (
        f"date: now\na: b\nx-message-id: msg_2\n{DELTA}\nconversation 9\nmore\nmore\n"
    )
    names.compare_text(shown, came)
    assert names.real == {"msg_788": "msg_2", "456": "9"}
