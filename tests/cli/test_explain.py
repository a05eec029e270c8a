"""`explain`: a code at length, and the nearest ones where there is none."""

import pytest

from simulator.cli.main import invoke
from simulator.findings import RULES


@pytest.mark.parametrize("code", RULES)
def test_every_code_is_explained(code, capsys):
    assert invoke(["explain", code]) == 0
    explained = " ".join(capsys.readouterr().out.split())
    for text in (RULES[code].title, RULES[code].how, RULES[code].effect):
        assert " ".join(text.split()) in explained


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("state.lots", "did you mean state.lost"),
        ("keep_alive", "did you mean wire.no_keep_alive?"),
        ("hackable", "did you mean grader.hackable"),
        ("crashes", "did you mean endpoint.crashes_on_bad_request"),
        ("", "see `rft-preflight check --list`"),
        ("zzz", "see `rft-preflight check --list`"),
        ("\x1b[2J\r", "see `rft-preflight check --list`"),
        ("x" * 100_000, "see `rft-preflight check --list`"),
    ],
)
def test_a_code_that_is_none_gets_the_nearest_ones(code, said, capsys):
    assert invoke(["explain", code]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rft-preflight: CODE: no finding has the code ")
    assert said in line
    assert line.isprintable()
    assert len(line) < 200
