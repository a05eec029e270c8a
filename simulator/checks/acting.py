"""Which tools change something, as far as their names tell."""

import re

_ACTING = frozenset({
    "add", "apply", "approve", "assign", "book", "buy", "cancel", "change", "charge", "close", "commit",
    "create", "delete", "deploy", "disable", "drop", "edit", "enable", "exchange", "insert", "install",
    "issue", "modify", "move", "order", "pay", "place", "post", "publish", "purchase", "push", "put",
    "refund", "register", "reject", "remove", "rename", "replace", "reserve", "reset", "restart",
    "return", "revoke", "schedule", "send", "set", "ship", "submit", "transfer", "trigger", "update",
    "upload", "write",
})  # fmt: skip
"""Verbs with which the names of tools begin that do not just look something up."""


def says_it_acts(tool: str) -> bool:
    """Tell whether a tool's name begins with a verb that changes something: `cancelOrder`, `send_mail`."""
    words = re.findall(r"[A-Z]?[a-z]+", tool)
    return bool(words) and words[0].lower() in _ACTING
