"""JSON as every party reads it alike: stricter than the standard library's decoder.

A row goes verbatim into requests, and other people's parsers read it there. So what only some parsers accept
(NaN, numbers beyond a double, half a surrogate pair) or read differently (a key twice) is refused here.
"""

import re
from json import JSONDecodeError, JSONDecoder
from typing import Any

import msgspec

from simulator.job.locate import members

_SURROGATES = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?<!\\)\\u[dD][89a-fA-F]..")
_BYTE = re.compile(r" \(byte (\d+)\)$")


class NotJson(ValueError):  # noqa: N818 it is a verdict about the text
    """The text is not JSON; `offset` is the index of the character that shows it."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message, self.offset = message, offset


class _DuplicateKeyError(Exception):
    pass


def decode(text: str) -> Any:
    """Decode `text`; NotJson where it is not JSON that every parser reads alike."""
    try:
        value = _DECODER.decode(text)
        msgspec.json.decode(text)
    except JSONDecodeError as error:
        raise NotJson(_lowered(error.msg), error.pos) from None
    except _DuplicateKeyError:
        key, offset = _find_duplicate(text)
        raise NotJson(f"the key {quoted(key)} stands twice in one object", offset) from None
    except msgspec.DecodeError as error:
        raise _half_a_pair(text) or _refused(text, str(error)) from None
    except RecursionError:
        raise NotJson("nested too deeply", 0) from None
    except ValueError:  # what is left is int()'s limit
        raise NotJson("a number has too many digits", 0) from None
    return value


def quoted(text: str, limit: int = 60) -> str:
    """Return `text` in double quotes, on one line whatever is in it, cut to `limit` characters."""
    shown = text if len(text) <= limit else text[: limit - 3] + "..."
    return f'"{printable(shown)}"'


def printable(text: object) -> str:
    """Return the text, or a path's, with every character escaped that is not printable: it is one line."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(text))


def _refused(text: str, message: str) -> NotJson:
    """Translate the refusal of a text that the standard library accepts."""
    found = _BYTE.search(message)
    encoded = text.encode("utf-8", "surrogatepass")
    offset = len(encoded[: int(found[1])].decode("utf-8", "ignore")) if found else 0
    if text[offset : offset + 2].lstrip("-")[:1] in {"N", "I"}:
        return NotJson("NaN and Infinity are not JSON", offset)
    return NotJson(_lowered(_BYTE.sub("", message).removeprefix("JSON is malformed: ")), offset)


def _half_a_pair(text: str) -> NotJson | None:
    r"""Return the refusal of an escape like `\ud800` without its other half: such a string has no UTF-8."""
    for found in _SURROGATES.finditer(text):
        if len(found[0]) < len(r"\ud800\udc00"):
            return NotJson("a string holds half a surrogate pair", found.start())
    return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _DuplicateKeyError
    return value


def _find_duplicate(text: str) -> tuple[str, int]:
    pending = [len(text) - len(text.lstrip())]
    while pending:
        seen = set()
        for key, at in members(text, pending.pop()):
            if key in seen:
                return str(key), at
            seen.add(key)
            pending.append(at)
    return "", 0


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


_DECODER = JSONDecoder(object_pairs_hook=_unique)
