import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pytest_django import Settings

from knowledge import embedding


def test_it_works() -> None:
    assert embedding.available()
    assert embedding.status() == {"available": True, "reason": ""}

    asked, near, far = embedding.embed(
        ["Can I send it back?", "You may return items.", "The sea is deep."]
    )

    assert asked @ near > asked @ far + 0.2
    assert np.linalg.norm(asked) == pytest.approx(1, abs=1e-5)


def test_nothing_to_embed() -> None:
    assert embedding.embed([]).shape == (0, embedding.SIZE)


def test_a_question_has_the_same_vector_whoever_asks_meanwhile() -> None:
    texts = [f"question number {n} about boots" for n in range(24)]
    alone = [embedding.embed([text])[0] for text in texts]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(embedding.embed_one, texts))

    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_long_and_odd_texts() -> None:
    assert embedding.embed(["", "word " * 5000, "😀\0日本"]).shape == (
        3,
        embedding.SIZE,
    )


def test_stored_vectors_come_back() -> None:
    vectors = embedding.embed(["boots", "tents"])

    stored = embedding.pack(vectors)

    assert len(stored) == 2 * 2 * embedding.SIZE
    assert np.allclose(embedding.unpack(stored), vectors, atol=1e-3)
    assert embedding.unpack(None).shape == (0, embedding.SIZE)


def test_switched_off(settings: Settings) -> None:
    settings.BOOKBAG_EMBEDDING = "off"

    assert not embedding.available()
    assert "BOOKBAG_EMBEDDING" in embedding.status()["reason"]
    with pytest.raises(RuntimeError, match="No embedding model"):
        embedding.embed(["boots"])


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_loaded", None)
    monkeypatch.setattr(embedding, "MODEL_DIGEST", hashlib.sha256(b"x").hexdigest())

    assert not embedding.available()
    assert (
        embedding.status()["reason"] == "the file model.onnx is not the one we tested"
    )
