"""Several runs of one scenario as one: their rollouts one after another, counted again.

Runs that overlapped, of several machines at once, keep their distance in time. Others follow each other
without a pause.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from simulator.measure.detail import Detail
from simulator.measure.histogram import Histogram
from simulator.measure.lines import RolloutLine
from simulator.measure.recount import add_lines
from simulator.measure.summarise import RunFacts, durations, summarise
from simulator.measure.summary import EndpointHistograms, EndpointSummary, GraderSummary, Summary
from simulator.measure.tally import Tally
from simulator.measure.trust import GeneratorSummary, LagMs
from simulator.model import Endpoint


class Part(msgspec.Struct, frozen=True):
    """One of the runs; `lines` reads its rollouts anew."""

    summary: Summary
    lines: Callable[[], Iterator[RolloutLine]]


def merge(parts: Sequence[Part], write: Callable[[RolloutLine], None]) -> tuple[Summary, Detail]:
    """Return the summary and the detail of all runs together; `write` is given each rollout as it is then.

    What compares scores with others, or with a recording, stays with the single runs. ValueError where a
    part has no time of its beginning, or no usable histograms.
    """
    summaries = [part.summary for part in parts]
    endpoints = _endpoints(summaries)
    tally, detail = Tally(endpoints), Detail()
    starts = starts_s(summaries)

    def passed_on() -> Iterator[RolloutLine]:
        for line in _renumbered(parts, starts):
            write(line)
            detail.add(line)
            yield line

    add_lines(tally, passed_on())
    first = summaries[0]
    facts = RunFacts(
        scenario=first.scenario,
        seed=first.seed,
        started_at=min(summaries, key=_began).started_at,
        duration_s=max(start + s.duration_s for start, s in zip(starts, summaries, strict=True)),
        interrupted=any(summary.interrupted for summary in summaries),
        load=msgspec.structs.replace(
            first.load,
            steps=sum(summary.load.steps for summary in summaries),
            assumptions=tuple(
                dict.fromkeys(told for one in summaries for told in (*one.load.assumptions, *_apart(one)))
            ),
        ),
        planned=sum(summary.rollouts.planned for summary in summaries),
        grader_type=first.grader.type,
        failure=next((summary.failure for summary in summaries if summary.failure), ""),
        generator=(),
        learnability=None,
    )
    merged = summarise(tally, endpoints, facts)
    return (
        msgspec.structs.replace(
            merged,
            endpoints=tuple(_completed(endpoint, summaries) for endpoint in merged.endpoints),
            grader=_grader(merged, summaries, tally),
            generator=_worst([summary.generator for summary in summaries]),
            settings=first.settings,
            price_per_hour=first.price_per_hour,
            runs=sum(summary.runs for summary in summaries),
            histograms={name: _histograms(name, h, summaries) for name, h in merged.histograms.items()},
        ),
        detail,
    )


def _endpoints(summaries: Iterable[Summary]) -> list[Endpoint]:
    kinds = {endpoint.name: endpoint.kind for summary in summaries for endpoint in summary.endpoints}
    return [Endpoint(name, kind, "") for name, kind in kinds.items()]


def _apart(summary: Summary) -> Iterator[str]:
    grader = summary.grader
    if grader.agreement or grader.repeatability or grader.load or grader.workers or summary.replay:
        yield "several runs together: comparisons of scores are in the reports of the single runs"


# -- time and numbers ------------------------------------------------------------------------------------


def _began(summary: Summary) -> datetime:
    return datetime.fromisoformat(summary.started_at)


def starts_s(summaries: Sequence[Summary]) -> list[float]:
    """Return when each run begins, in seconds from the beginning of the first of them."""
    starts = [0.0] * len(summaries)
    in_order = sorted(range(len(summaries)), key=lambda place: _began(summaries[place]))
    first, pauses_s, end_s = _began(summaries[in_order[0]]), 0.0, 0.0
    for place in in_order:
        start_s = (_began(summaries[place]) - first).total_seconds() - pauses_s
        if start_s > end_s:
            pauses_s += start_s - end_s
            start_s = end_s
        starts[place] = start_s
        end_s = max(end_s, start_s + summaries[place].duration_s)
    return starts


def _renumbered(parts: Sequence[Part], starts: Sequence[float]) -> Iterator[RolloutLine]:
    """Yield the rollouts of all runs, none with the number, the step or the group of another run's."""
    rollouts = steps = groups = 0
    for part, start_s in zip(parts, starts, strict=True):
        after = [rollouts, steps, groups]
        for line in part.lines():
            _shift(line, start_s * 1000)
            line.rollout += rollouts
            line.step += steps
            line.group += groups
            after = [max(after[0], line.rollout + 1), max(after[1], line.step), max(after[2], line.group + 1)]
            yield line
        rollouts, steps, groups = after


def _shift(line: RolloutLine, ms: float) -> None:
    line.started_ms += ms
    line.ended_ms += ms
    for call in (*(call for turn in line.turns for call in turn), *([line.grade] if line.grade else [])):
        for attempt in call.attempts:
            attempt.due_ms += ms
            attempt.sent_ms += ms
            attempt.done_ms += ms
            if attempt.first_byte_ms is not None:
                attempt.first_byte_ms += ms


# -- what lines do not tell ------------------------------------------------------------------------------


def _completed(endpoint: EndpointSummary, summaries: Sequence[Summary]) -> EndpointSummary:
    own = [one for summary in summaries for one in summary.endpoints if one.name == endpoint.name]
    return msgspec.structs.replace(
        endpoint,
        connections_reused=sum(one.connections_reused for one in own),
        resent=sum(one.resent for one in own),
        read_delay_ms=durations(_read_delay(endpoint.name, summaries)),
    )


def _histograms(name: str, counted: EndpointHistograms, summaries: Sequence[Summary]) -> EndpointHistograms:
    return msgspec.structs.replace(counted, read_delay=_read_delay(name, summaries).to_hdr())


def _read_delay(name: str, summaries: Sequence[Summary]) -> Histogram:
    together = Histogram()
    for summary in summaries:
        if name in summary.histograms:
            together.merge(Histogram.from_hdr(summary.histograms[name].read_delay))
    return together


def _grader(merged: Summary, summaries: Sequence[Summary], tally: Tally) -> GraderSummary:
    ungraded: Counter[str] = sum((Counter(s.grader.ungraded) for s in summaries), Counter[str]())
    learned = [s.grader.learnability for s in summaries if s.grader.learnability is not None]
    learnability = None
    if learned:
        # As in the engine: only here are numpy and scipy needed, which take a third of a second.
        from simulator.grading.run import learnability_of  # noqa: PLC0415

        learnability = learnability_of(tally.rollouts, learned[0].threshold, merged.seed)
    return msgspec.structs.replace(merged.grader, learnability=learnability, ungraded=dict(ungraded))


def _worst(generators: Sequence[GeneratorSummary]) -> GeneratorSummary:
    """Return the worst of each figure: one run that cannot be trusted spoils them all."""
    lags = [generator.lag_ms for generator in generators]
    return GeneratorSummary(
        cpu=max(generator.cpu for generator in generators),
        lag_ms=LagMs(*(max(getattr(lag, name) for lag in lags) for name in ("p50", "p99", "max"))),
        trustworthy=all(generator.trustworthy for generator in generators),
        reasons=tuple(dict.fromkeys(reason for generator in generators for reason in generator.reasons)),
        processes=max(generator.processes for generator in generators),
        waited=max((g.waited for g in generators if g.waited is not None), default=None),
        shared=max((g.shared for g in generators if g.shared is not None), default=None),
    )
