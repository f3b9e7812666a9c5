"""How a source of each kind becomes text and chunks.

A loader is a module with `text(source)`, what a quote is held against, and
`pieces(text)`, the chunks of it. It raises LoadError with a sentence for people, or
LoadLater where another time may be better. It may give the source it got a title.
"""

from types import ModuleType

from knowledge.loaders import qa, text, web

LOADERS: dict[str, ModuleType] = {"text": text, "qa": qa, "url": web}
