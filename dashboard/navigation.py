"""The sidebar: a page is here once it exists."""

from dataclasses import dataclass

from workspaces.models import Member, Role


@dataclass(frozen=True)
class Page:
    title: str
    icon: str
    view_name: str
    role: Role = Role.VIEWER
    below: tuple[str, ...] = ()  # views that count as this page


SECTIONS: list[tuple[str, list[Page]]] = [
    ("", [Page("Home", "house", "home")]),
    (
        "Operate",
        [
            Page(
                "Conversations",
                "inbox",
                "conversations",
                below=("agent_conversations", "conversation"),
            ),
            Page("Leads", "contact-round", "leads", below=("agent_leads",)),
        ],
    ),
    (
        "Workspace",
        [
            Page(
                "API keys",
                "key-round",
                "api_keys",
                Role.ADMIN,
                below=("new_api_key", "revoke_api_key", "rotate_api_key"),
            )
        ],
    ),
    ("Help", [Page("API reference", "book-open", "api_docs")]),
]


def for_member(member: Member) -> list[tuple[str, list[Page]]]:
    sections = [
        (title, [page for page in pages if member.may(page.role)])
        for title, pages in SECTIONS
    ]
    return [(title, pages) for title, pages in sections if pages]
