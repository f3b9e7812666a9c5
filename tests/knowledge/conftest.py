import pytest

from knowledge.loaders import web


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a page that is well, on a machine with much else to do."""
    monkeypatch.setattr(web, "PATIENCE", 120)
