"""What secrets look like: the shapes of well-known tokens, and the names under which credentials travel."""

import re

import msgspec

from simulator.job.strictjson import quoted
from simulator.redaction import REDACTED

_WORD, _WORD_OR_DASH, _NOTHING = r"\w", r"[\w-]", ""

_KNOWN: tuple[tuple[str, str, str, str], ...] = (
    (
        "a key of OpenAI's form",
        "sk-",
        _WORD_OR_DASH,
        r"(?=[\w-]{0,200}[A-Z])(?=[\w-]{0,200}[0-9])[\w-]{20,200}",
    ),
    ("a GitHub token", "gh", _WORD, r"[opsur]_[0-9A-Za-z]{36,255}"),
    ("a GitHub token", "github_pat_", _WORD, r"\w{22,255}"),
    ("a GitLab token", "glpat-", _WORD, r"[\w-]{20,255}"),
    ("an AWS access key", "AKIA", _WORD, r"[0-9A-Z]{16}(?!\w)"),
    ("an AWS access key", "ASIA", _WORD, r"[0-9A-Z]{16}(?!\w)"),
    ("a Google key", "AIza", _WORD_OR_DASH, r"[\w-]{35}(?![\w-])"),
    ("an Azure storage key", "AccountKey=", _NOTHING, r"[0-9A-Za-z+/]{86}=="),
    ("a Hugging Face token", "hf_", _WORD, r"[0-9A-Za-z]{30,255}"),
    ("an npm token", "npm_", _WORD, r"[0-9A-Za-z]{36}(?!\w)"),
    ("a Slack token", "xox", _WORD, r"[abeoprs]-[0-9A-Za-z-]{10,255}"),
    ("a Stripe key", "k_live_", _NOTHING, r"[0-9A-Za-z]{20,255}"),
    ("a JSON web token", "eyJ", _WORD_OR_DASH, r"[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{8,2000}"),
    ("a private key", "-----BEGIN ", _NOTHING, r"(?:[A-Z]{1,20} ){0,3}PRIVATE KEY-----"),
)
"""What it is, how it begins, what is never before that, and how it goes on.

No pattern can run away: what repeats is bounded, or begins where nothing of the kind went before.
"""

_ESCAPED = (r"\\[bfnrt]", r"\\u[0-9a-fA-F]{4}")
"""What may be before a token where the text is JSON, which writes a line break as `\n`."""


class Shape(msgspec.Struct, frozen=True):
    """What a token is, how it begins, and the patterns of it in a string and in JSON."""

    name: str
    start: str
    in_string: re.Pattern[str]
    in_json: re.Pattern[bytes]


def _shape(name: str, start: str, never_before: str, rest: str) -> Shape:
    """Make the patterns: they begin with plain letters, which is many times as fast, and then look back."""
    plain = re.escape(start)
    bare = f"(?<!{never_before}{plain})" if never_before else ""
    escaped = "|".join((bare, *(f"(?<={before}{plain})" for before in _ESCAPED)))
    in_json = re.compile(f"{plain}(?:{escaped}){rest}".encode())
    return Shape(name, start, re.compile(plain + bare + rest, re.ASCII), in_json)


SHAPES = tuple(_shape(*known) for known in _KNOWN)

_NAMES = re.compile(
    r"""authori[sz]ation | auth(?![a-z]) | bearer | cookie | credential | jwt | pass(?:word|wd|phrase) | pwd
      | secret | signature | (?<![a-z])sig(?![a-z]) | token(?![a-z])
      | (?: (?<![a-z]) | access | api | auth | account | client | functions? | shared | subscription )
        keys?(?![a-z])
    """,
    re.VERBOSE,
)
_NO_SECRETS = re.compile(r"idempotency|limit|max[-_]?token")
_IN_QUERIES = frozenset({"code"})
_PLACEHOLDER = re.compile(r"<.*>|\{.*\}|#.*#|\[.*\]|[xX*.…-]*|(?i:your|change).*|(?i:bearer|basic|token)")


def possible_in(json: bytes) -> tuple[Shape, ...]:
    """Return the shapes that strings of this JSON may have."""
    return tuple(shape for shape in SHAPES if shape.start.encode() in json and shape.in_json.search(json))


def token_in(text: str, shapes: tuple[Shape, ...] = SHAPES) -> str:
    """Return what kind of token stands in the text, "" where none does."""
    return next((shape.name for shape in shapes if shape.start in text and shape.in_string.search(text)), "")


def conceal(text: str) -> str:
    """Return the text without the tokens in it."""
    for shape in SHAPES:
        if shape.start in text:
            text = shape.in_string.sub(REDACTED, text)
    return text


def shown(text: str) -> str:
    """Return the text as `quoted` does, without the tokens in it."""
    return quoted(conceal(text))


def is_credential(header: str) -> bool:
    """Tell by its name whether a header carries credentials."""
    name = header.lower()
    return bool(_NAMES.search(name)) and not _NO_SECRETS.search(name)


def is_query_credential(parameter: str) -> bool:
    """Tell by its name whether a parameter of a query carries credentials."""
    return parameter.lower() in _IN_QUERIES or is_credential(parameter)


def is_literal(value: str) -> bool:
    """Tell whether the value would be a secret as it stands: no `${NAME}`, and no placeholder either."""
    bare = value.strip().split(None, 1)[-1:]
    return bool(bare) and "${" not in value and not _PLACEHOLDER.fullmatch(bare[0])
