"""What a study grades: rollouts that were recorded, answers that stand in rows, or rollouts played for it."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from simulator.dialects.base import CallIds, Dialect
from simulator.errors import InputError
from simulator.grading.judgement import Case, Sample
from simulator.grading.template import looked_up
from simulator.job.reference import as_text, reference_field
from simulator.job.scenario import Scenario
from simulator.job.strictjson import printable, quoted
from simulator.job.traces.reading import Traces
from simulator.job.traces.recording import Recording, key_of
from simulator.model import Item, Split, ToolCall


class Taken(msgspec.Struct, frozen=True):
    """Samples, what is known of each, and where they come from.

    `scores` are those that a file has itself; `with_rows` tells that all samples have a dataset row.
    """

    samples: tuple[Sample, ...]
    cases: tuple[Case, ...]
    traces: tuple[str, ...]
    scores: tuple[float | None, ...]
    source: str
    with_rows: bool = True


class Fields(msgspec.Struct, frozen=True):
    """Where a file has what: paths such as `review.score`, None where nothing is said."""

    answer: str | None = None
    recorded: str | None = None


def from_file(
    path: Path,
    scenario: Scenario | None,
    dialect: Dialect,
    fields: Fields,
    *,
    most: int,
    seed: int,
    share: float = 1.0,
) -> Taken:
    """Return the finished rollouts of a file, or whole groups drawn at random if they are too many.

    Where the file is known to hold very many, `share` is about which part of the groups to read.
    """

    def wanted(group: str) -> bool:
        return share >= 1 or random.Random(f"{seed}/{group}").random() < share

    recordings = [one for one in Traces([path]) if one.finished and wanted(one.group)]
    if not recordings:
        raise InputError("holds no rollout that came to its end", where=printable(path))
    return from_recordings(_some_groups(recordings, most, seed), scenario, dialect, fields, printable(path))


def from_recordings(
    recordings: Sequence[Recording],
    scenario: Scenario | None,
    dialect: Dialect,
    fields: Fields,
    source: str,
) -> Taken:
    """Return recorded rollouts as samples, in their order."""
    items = [_item_of(one, index, scenario, source) for index, one in enumerate(recordings)]
    as_json = scenario is not None and scenario.job.response_format is not None
    reference = _reference(scenario, [item for item in items if item is not None])
    samples = tuple(
        _sample(dialect, one.answer, one.calls, one.trace_id or dialect.trace_id(f"{index:032x}"), item,
                as_json=as_json)
        for index, (one, item) in enumerate(zip(recordings, items, strict=True))
    )  # fmt: skip
    cases = tuple(
        Case(
            item=one.key,
            group=one.group,
            split=one.split or "",
            index=-1 if one.index is None else one.index,
            answer=one.answer,
            reference=_text_at(item, reference),
            calls=len(one.calls),
            failed=one.failed,
            recorded=_recorded(one, item, fields.recorded, source),
        )
        for one, item in zip(recordings, items, strict=True)
    )
    return Taken(
        samples,
        cases,
        tuple(one.trace_id for one in recordings),
        tuple(one.score for one in recordings),
        source,
        None not in items,
    )


def from_rows(scenario: Scenario, dialect: Dialect, fields: Fields, *, most: int, seed: int) -> Taken:
    """Return the answers that stand in the datasets' rows; rows of one conversation are one group."""
    assert fields.answer is not None  # noqa: S101 the caller has one
    rows = [item for _, _, items in scenario.splits for item in items]
    recordings = [
        Recording(
            key=key,
            group=key,
            trace_id="",
            answer=as_text(answer),
            fields=item.row,
            split=item.split,
            index=item.index,
        )
        for item in rows
        if (answer := looked_up(item.row, fields.answer)) is not None
        for key in (key_of(item.row["messages"]),)
    ]
    if not recordings:
        message = f"no row has a field {quoted(fields.answer)}"
        raise InputError(message, where="--answer", remedy="name the field that holds the answers")
    source = f"the rows' field {fields.answer}"
    return from_recordings(_some_groups(recordings, most, seed), scenario, dialect, fields, source)


def _some_groups(recordings: Sequence[Recording], most: int, seed: int) -> list[Recording]:
    if len(recordings) <= most:
        return list(recordings)
    sizes: dict[str, int] = {}
    for one in recordings:
        sizes[one.group] = sizes.get(one.group, 0) + 1
    names = list(sizes)
    random.Random(seed).shuffle(names)
    chosen, left = set[str](), most
    for name in names:
        if sizes[name] <= left or not chosen:
            chosen.add(name)
            left -= sizes[name]
    return [one for one in recordings if one.group in chosen]


def _item_of(one: Recording, index: int, scenario: Scenario | None, source: str) -> Item | None:
    if one.split is None or one.index is None or scenario is None:
        return one.as_item(index)
    rows: dict[Split, tuple[Item, ...]] = {"train": scenario.train, "valid": scenario.valid}
    if not 0 <= one.index < len(rows[one.split]):
        message = f"names row {one.index} of the dataset `{one.split}`, which has {len(rows[one.split])}"
        raise InputError(message, where=source, remedy="name the job that these rollouts are of")
    return rows[one.split][one.index]


def _sample(
    dialect: Dialect,
    answer: str,
    calls: Iterable[tuple[str, ToolCall]],
    trace_id: str,
    item: Item | None,
    *,
    as_json: bool,
) -> Sample:
    asked = [(CallIds("", call_id), call) for call_id, call in calls]
    whole = item or Item(0, "train", 1, msgspec.Raw(b"{}"), {})
    return Sample(dialect.grader_request(answer, asked, trace_id, whole, as_json=as_json))


def _reference(scenario: Scenario | None, items: Sequence[Item]) -> str | None:
    rows = scenario.train or scenario.valid if scenario else ()
    return reference_field(rows or items, scenario.check.reference if scenario else None)


def _text_at(item: Item | None, field: str | None) -> str | None:
    return as_text(item.row[field]) if item is not None and field is not None and field in item.row else None


def _recorded(one: Recording, item: Item | None, path: str | None, source: str) -> float | None:
    """Return the score to compare with: at the path, of the rollout or its row, or else the rollout's own."""
    if path is None:
        return one.score
    value = looked_up(one.fields, path)
    value = looked_up(item.row, path) if value is None and item is not None else value
    if value is None:
        return None
    if isinstance(value, bool | int | float):
        return float(value)
    message = f"{quoted(path)} is no number: {quoted(value)}"
    raise InputError(message, where=source, remedy="name the field that holds the scores")
