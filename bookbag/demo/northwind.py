"""The demo workspace: what an outdoor shop would tell its customers."""

from pathlib import Path
from typing import NamedTuple

WORKSPACE = "Northwind Outfitters"
PEOPLE = {  # role: name; the address is <role>@northwind.example
    "owner": "Olive Owner",
    "admin": "Adam Admin",
    "editor": "Edna Editor",
    "viewer": "Vic Viewer",
}


class DemoAgent(NamedTuple):
    name: str
    instructions: str
    fallback_message: str
    folder: str  # of text sources, beside this file
    answers: dict[str, str]  # Q&A sources
    conversations: list[list[str]]  # what somebody asked, turn by turn


AGENTS = [
    DemoAgent(
        name="Northwind Support",
        instructions="You help customers of an outdoor shop. Be brief and friendly.",
        fallback_message="I don't know that one, sorry. Our team does: write to"
        " help@northwind.example.",
        folder="support",
        answers={
            "Where is my order?": "Your order's page at northwind.example/orders shows"
            " where the parcel is. You can also follow the tracking link in the e-mail"
            " that we sent when it left our warehouse.",
            "Do you have a physical store?": "Yes, one: 214 Alder Street, Portland,"
            " Oregon. It is open every day from 10 am to 7 pm.",
        },
        conversations=[
            [
                "Do you ship to Canada?",
                "How long does it take?",
                "And how much does it cost?",
            ],
            ["Can I return a climbing rope?"],
            ["hello", "What do I pay for express delivery?", "thanks!"],
        ],
    ),
    DemoAgent(
        name="Gear Guide",
        instructions="You advise people on outdoor gear and how to look after it.",
        fallback_message="That is beyond my books. Ask our workshop:"
        " workshop@northwind.example.",
        folder="gear",
        answers={
            "Which tent is right for winter?": "The Summit 2. It carries snow and has"
            " four crossing poles; the Ridgeline tents are made for three seasons.",
        },
        conversations=[["How do I wash my rain jacket?", "At what temperature?"]],
    ),
]


def texts(folder: str) -> dict[str, str]:
    """The text sources of a folder, by title."""
    found = {}
    for path in sorted((Path(__file__).parent / folder).glob("*.md")):
        text = path.read_text(encoding="utf-8")
        found[text.partition("\n")[0].lstrip("# ")] = text
    return found
