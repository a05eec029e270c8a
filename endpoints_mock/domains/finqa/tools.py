"""The three tools over the filings: search, list, cat. What is wrong is told in the output, never raised."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from endpoints_mock.domain import Tool
from endpoints_mock.domains.finqa.corpus import SEED, Document
from endpoints_mock.domains.finqa.embeddings import Index

_MAX_TOP_K = 20
_SNIPPET = 240
_ECHO = 200  # of a wrong path, so much is repeated in the error


class Hit(msgspec.Struct, frozen=True):
    """One search result; `score` is the cosine similarity, -1 to 1."""

    path: str
    score: float
    snippet: str


def filing_tools(documents: Sequence[Document]) -> Mapping[str, Tool]:
    """Return the tools over these documents."""
    return {"search": _search(documents), "list": _list(documents), "cat": _cat(documents)}


def _search(documents: Sequence[Document]) -> Tool:
    index = Index([document.text for document in documents], SEED)

    def search(arguments: dict[str, Any], _trace_id: str) -> str:
        query, top_k = arguments.get("query"), arguments.get("top_k", 5)
        if not isinstance(query, str):
            return "Error: search needs `query`, a string"
        if not isinstance(top_k, int) or not 1 <= top_k <= _MAX_TOP_K:
            return f"Error: `top_k` must be a whole number from 1 to {_MAX_TOP_K}"
        found = index.search(query, top_k)
        hits = [Hit(documents[n].path, score, documents[n].text[:_SNIPPET]) for n, score in found]
        return msgspec.json.encode(hits).decode()

    return search


def _list(documents: Sequence[Document]) -> Tool:
    entries: dict[str, dict[str, None]] = {}  # a dict for a set that keeps its order
    for document in documents:
        parts = document.path.strip("/").split("/")
        for depth in range(1, len(parts)):
            folder, entry = "/" + "/".join(parts[:depth]), "/" + "/".join(parts[: depth + 1])
            entries.setdefault(folder, {})[entry + ("/" if depth + 1 < len(parts) else "")] = None
    listings = {folder: "\n".join(sorted(names)) for folder, names in entries.items()}
    return _by_path("directory", lambda path: listings.get(path.rstrip("/")))


def _cat(documents: Sequence[Document]) -> Tool:
    return _by_path("document", {document.path: document.text for document in documents}.get)


def _by_path(kind: str, look_up: Callable[[str], str | None]) -> Tool:
    def tool(arguments: dict[str, Any], _trace_id: str) -> str:
        path = arguments.get("path")
        if not isinstance(path, str):
            return "Error: `path`, a string, is missing"
        text = look_up(path)
        return text if text is not None else f"Error: not a valid {kind}: {path[:_ECHO]}"

    return tool
