"""Embeddings without a model: tf-idf weights of words, projected at random onto a few hundred dimensions.

A random projection nearly keeps angles, so that the cosine of two short vectors stands for that of two long
ones; it costs what a search with a real embedding costs after the model has run.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 256
_MAX_QUERY = 4_000
_WORD = re.compile(r"[a-z]{2,}|\b(?:19|20)[0-9]{2}\b")
"""Words, and years; other numbers say nothing about what a page is about."""

Vector = NDArray[np.float32]


class Index:
    """Texts that can be searched by cosine similarity."""

    def __init__(self, texts: Sequence[str], seed: int) -> None:
        counts = [Counter(_WORD.findall(text.lower())) for text in texts]
        spread = Counter(word for count in counts for word in count)
        self._ids = {word: number for number, word in enumerate(sorted(spread))}
        frequency = np.array([spread[word] for word in self._ids], dtype=np.float32)
        idf = np.log1p(len(texts) / np.maximum(frequency, 1))
        words = np.random.default_rng(seed).standard_normal((len(self._ids), DIMENSIONS), dtype=np.float32)
        self._words: Vector = words * idf[:, None].astype(np.float32)
        self._vectors: Vector = np.stack([self._embed(count) for count in counts])

    def search(self, query: str, top_k: int) -> list[tuple[int, float]]:
        """Return the numbers of the `top_k` nearest texts and their similarity, nearest first."""
        vector = self._embed(Counter(_WORD.findall(query[:_MAX_QUERY].lower())))
        # Rounded before they are compared: the last bits differ between machines.
        scores = np.round(self._vectors @ vector, 4)
        best = np.argsort(-scores, kind="stable")[:top_k]
        return [(int(number), round(float(scores[number]), 4)) for number in best]

    def _embed(self, count: Counter[str]) -> Vector:
        known = [(self._ids[word], times) for word, times in count.items() if word in self._ids]
        if not known:
            return np.zeros(DIMENSIONS, dtype=np.float32)
        ids, times = zip(*known, strict=True)
        weights = np.log1p(np.array(times, dtype=np.float32))
        vector: Vector = weights @ self._words[list(ids)]
        return vector / np.float32(np.linalg.norm(vector) or 1.0)
