"""Secrets never reach a report: one function that takes them out of any text."""

import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

REDACTED = "***"


def redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function that replaces every secret in a text, also where JSON or a URL has escaped it.

    Longer ones come first, so that none leaves a rest.
    """
    known = {form for secret in secrets if secret for form in _forms(secret)}
    if not known:
        return lambda text: text
    pattern = re.compile("|".join(map(re.escape, sorted(known, key=len, reverse=True))))

    def redact(text: str) -> str:
        for form in known:
            if form in text:
                return pattern.sub(REDACTED, text)
        return text  # nearly always, and a plain search is many times as fast as the pattern's

    return redact


def _forms(secret: str) -> Iterable[str]:
    once = [json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)]
    # A tool's output is often JSON itself, and is a string within the answer's JSON.
    twice = [json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in once for ascii_only in (True, False)]
    return (secret, *once, *twice, quote(secret, safe=""), quote_plus(secret))
