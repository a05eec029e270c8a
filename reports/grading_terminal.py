"""What a terminal report of a run and one of a study have in common about the grader."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from reports.grading_sentences import agreement_rows, learning_lines, misses_line, repeats_lines
from reports.layout import aligned, section
from reports.text import counted, plain
from simulator.measure.summary import GraderSummary


def grading_sections(grader: GraderSummary, name: str) -> Iterator[RenderableType]:
    """Yield what was measured of the grader of that name: repeats, agreement, what there is to learn."""
    if lines := list(repeats_lines(grader)):
        yield section("repeats", list(map(Text, lines)))
    for other, agreement in grader.agreement.items():
        judge, by = plain(name), plain(other)
        of = f"{counted(agreement.pairs, 'sample')} in {counted(agreement.groups, 'group')}"
        rows = aligned([list(map(Text, row)) for row in agreement_rows(agreement)], "lrll")
        misses = (
            misses_line(judge, by, agreement.grader_misses),
            misses_line(by, judge, agreement.reference_misses),
        )
        yield section("agreement", [Text(f"{judge} with {by}: {of}"), *rows, *map(Text, misses)])
    if grader.learnability:
        yield section("learning", list(map(Text, learning_lines(grader.learnability))))
