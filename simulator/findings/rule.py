"""A rule: what a code stands for."""

import msgspec

from simulator.model import Severity


class Rule(msgspec.Struct, frozen=True):
    """A code as people read about it.

    `title` is what is wrong, in half a line; `how` says how it is found out, `effect` what it does to a
    training, `remedy` what to do; each of the three is whole sentences, or a clause that can follow a
    semicolon for `remedy`.
    """

    code: str
    severity: Severity
    title: str
    how: str
    effect: str
    remedy: str
