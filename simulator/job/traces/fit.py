"""The text of a scenario whose synthetic policy calls and thinks as recorded rollouts did."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from simulator.job.jobfile import JobFile
from simulator.measure.recorded import Part, Recorded
from simulator.model import Load

TOKENS_PER_S = Load().tokens_per_s

_UNITS = 10_000  # a hundredth of a percent is the smallest share that is written
_NAMED = 6

_TEMPLATE = """\
# How to play the trainer against the endpoints of this job, calling and thinking as recorded rollouts did.
# {measured}
# Written by `rft-preflight traces --fit`; every other setting is as `rft-preflight init` shows them.

{job}
seed = 7
policy = "as-recorded"

[load]
tokens_per_s = {tokens_per_s:g}  # the seconds of thinking that were measured are tokens at this speed

[policies.as-recorded]
kind = "synthetic"
{settings}
"""


def fitted_scenario(recorded: Recorded, job: JobFile | None, folder: Path) -> str:
    """Return the text of a scenario TOML for the job, that is to lie in `folder`.

    Its distributions are what was measured; that they go together, as long thinking and many calls may, is
    not in them.
    """
    return _TEMPLATE.format(
        measured=_measured(recorded),
        job=_job(job, folder),
        tokens_per_s=TOKENS_PER_S,
        settings="\n".join(_settings(recorded, job)),
    )


def _measured(recorded: Recorded) -> str:
    rollouts, sent = recorded.rollouts, recorded.sent
    return f"Measured: {rollouts:,} rollouts of {recorded.items:,} items, which sent {sent:,} tool calls."


def _job(job: JobFile | None, folder: Path) -> str:
    if job is None:
        return 'job = "job.json"  # no --job was named: put the path of the job here, relative to this file'
    return f"job = {_toml(Path(os.path.relpath(job.path, folder)).as_posix())}"


def _settings(recorded: Recorded, job: JobFile | None) -> Iterator[str]:
    yield from _calls(recorded)
    yield from _parallel(recorded)
    yield from _tokens(recorded)
    yield from _tools(recorded, job)


def _calls(recorded: Recorded) -> Iterator[str]:
    mean = recorded.sent / recorded.rollouts if recorded.rollouts else 0.0
    yield f"# Tool calls per rollout: {mean:.2f} on average, {len(recorded.by_sent) - 1} at most."
    yield f"calls = {_toml(_counted(recorded.by_sent))}"


def _parallel(recorded: Recorded) -> Iterator[str]:
    if recorded.sent:
        turns = sum(recorded.at_once)
        yield f"# Calls at once, of {turns:,} turns with any: {recorded.sent / turns:.2f} on average."
        yield f"parallel = {_toml(_counted(recorded.at_once))}"


def _tokens(recorded: Recorded) -> Iterator[str]:
    think_s = recorded.think_s
    if think_s is None:
        yield "# Thinking: no times were recorded, so that the default holds."
        return
    measured = f"{think_s.mean:.2f} s on average, p50 {think_s.p50:.2f} s, p90 {think_s.p90:.2f} s"
    yield f"# Thinking per turn: {measured}."
    yield f"tokens = {_toml(_stretches(recorded.think_parts))}"


def _tools(recorded: Recorded, job: JobFile | None) -> Iterator[str]:
    """Yield how often each tool was called; a scenario may not name tools that its job does not have."""
    weights = {_toml(name): sent for name, sent in recorded.sent_by_tool.items()}
    known = weights if job is None else set(map(_toml, job.tool_names))
    missing = [name for name in weights if name not in known]
    if missing:
        told = ", ".join(missing[:_NAMED]) + (", ..." if missing[_NAMED:] else "")
        yield f"# Left out are tools that were called and that the job does not have: {told}."
    if len(missing) < len(weights):
        yield "# How often each tool was called."
        named = ", ".join(f"{name} = {sent}" for name, sent in weights.items() if name in known)
        yield f"tools = {{{named}}}"


def _counted(counts: Sequence[int]) -> str:
    """Return the distribution of numbers of which `counts` says how often each occurred."""
    return mixed([(str(number), count) for number, count in enumerate(counts) if count])


def _stretches(parts: Sequence[Part]) -> str:
    return mixed([(_stretch(part), part.count) for part in parts])


def _stretch(part: Part) -> str:
    """Return the widest uniform distribution within a part that has its mean, in tokens."""
    reach = min(part.mean - part.low, part.high - part.mean)
    low, high = (
        f"{max(0.0, seconds * TOKENS_PER_S):.1f}" for seconds in (part.mean - reach, part.mean + reach)
    )
    return low if low == high else f"uniform:{low}:{high}"


def mixed(choices: Sequence[tuple[str, int]]) -> str:
    """Return the mix of distributions that are to be drawn as often as their counts say.

    The percentages add up to exactly 100: each is what rounding the sum so far leaves for it.
    """
    total = sum(count for _, count in choices)
    if len(choices) < 2:
        return choices[0][0] if choices else "0"
    parts, so_far, written = [], 0, 0
    for text, count in choices:
        so_far += count
        upto = round(so_far * _UNITS / total)
        if upto > written:
            parts.append(f"{(upto - written) * 100 / _UNITS:g}%*{text}")
        written = upto
    return "mix:" + "+".join(parts)


def _toml(text: str) -> str:
    """Return a string as TOML, which writes it as JSON does; what no UTF-8 can hold becomes `?`."""
    encodable = text.encode("utf-8", "replace").decode()
    return msgspec.json.encode(encodable).decode().replace("\x7f", "\\u007f")
