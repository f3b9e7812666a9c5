"""Plain text as every loader leaves it."""


class LoadError(Exception):
    """A source that cannot be read. The message is shown to the person who added it."""


class LoadLater(LoadError):
    """A source that cannot be read now. It is tried a few times before people hear."""


def cleaned(text: str, *, what: str) -> str:
    """The text with one kind of line end, and without NUL, which PostgreSQL refuses."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    if not any(char.isalnum() for char in text):
        raise LoadError(f"The {what} is empty: there is nothing to learn from it.")
    return text
