"""`rft-preflight explain`: what a finding's code means, at length."""

import difflib

from reports.rules import render_rule
from reports.text import short
from simulator.cli.output import stdout_console
from simulator.errors import InputError
from simulator.findings import RULES


def explain(code: str, /) -> int:
    """Say what a code of a finding means: how it is found, what it does to a training, what to do.

    Parameters
    ----------
    code
        Such as `state.lost`; `rft-preflight check --list` has all of them.
    """
    rule = RULES.get(code)
    if rule is None:
        alike = difflib.get_close_matches(code, RULES, n=3, cutoff=0.5)
        near = alike or [known for known in RULES if code and code in known][:3]
        remedy = f"did you mean {', '.join(near)}?" if near else "see `rft-preflight check --list`"
        raise InputError(f"no finding has the code {short(code, 60)!r}", where="CODE", remedy=remedy)
    stdout_console().print(render_rule(rule))
    return 0
