"""The page: what is on it, in which order, and the file that comes of it."""

import base64
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from reports.findings import alike, evidence
from reports.grading_sentences import agreement_rows, learning_lines, misses_line, repeats_lines
from reports.html.latency import calls_per_rollout, percentiles
from reports.html.library import vega
from reports.html.over_time import burst, heat_maps
from reports.html.picture import Picture
from reports.html.rewards import agreements, distribution, variance
from reports.html.waterfall import waterfalls
from reports.lived import lived_through, worst_steps
from reports.results import Results
from reports.sentences import headline, reasons
from reports.text import count, counted, duration, duration_ms, enumerated, number, observed, plain, share
from simulator.gates import Verdict
from simulator.measure.summary import GraderSummary, StudySummary
from simulator.model import Finding

REASONS_FIRST = 3
"""As many as fit beside the verdict on the first screen."""

MOST_FINDINGS = 200


class Section(msgspec.Struct, frozen=True):
    """Pictures under one heading."""

    title: str
    pictures: tuple[Picture, ...]


RUN_GALLERY: dict[str, tuple[Callable[[Results], Iterator[Picture]], ...]] = {
    "The burst over time": (burst,),
    "Latency": (percentiles,),
    "Latency over time": (heat_maps,),
    "Rollouts": (calls_per_rollout, waterfalls),
    "Rewards": (
        distribution,
        lambda run: variance(run.summary.grader),
        lambda run: agreements(run.summary.grader),
    ),
}

STUDY_GALLERY: dict[str, tuple[Callable[[GraderSummary], Iterator[Picture]], ...]] = {
    "Rewards": (variance,),
    "Agreement": (agreements,),
}


def gallery(results: Results) -> list[Section]:
    """Return all pictures of a run that there is anything to draw for."""
    return _filled(
        (title, [p for draw in drawn for p in draw(results)]) for title, drawn in RUN_GALLERY.items()
    )


def study_gallery(grader: GraderSummary) -> list[Section]:
    """Return all pictures of a study that there is anything to draw for."""
    return _filled(
        (title, [p for draw in drawn for p in draw(grader)]) for title, drawn in STUDY_GALLERY.items()
    )


def _filled(sections: Iterator[tuple[str, list[Picture]]]) -> list[Section]:
    return [Section(title, tuple(pictures)) for title, pictures in sections if pictures]


def to_html(results: Results) -> bytes:
    """Return the page of a run, in UTF-8."""
    replay = results.summary.replay
    return page(
        "run.html.j2",
        gallery(results),
        title=f"{results.summary.scenario}: {_word(results)}",
        run=results.summary,
        word=_word(results),
        headline=headline(results.summary, results.verdict),
        reasons=reasons(results.summary, results.verdict),
        steps=worst_steps(results.summary),
        lived=list(lived_through(results.summary)),
        gates=results.verdict.gates,
        findings=list(alike(results.findings))[:MOST_FINDINGS],
        settings=list(_settings(results.summary.settings)),
        replayed=(*replay.by_tool, replay.tools) if replay is not None else (),
    )


def _word(results: Results) -> str:
    return "interrupted" if results.summary.interrupted else results.verdict.verdict


def study_to_html(study: StudySummary, verdict: Verdict, findings: Sequence[Finding]) -> bytes:
    """Return the page of a study of a grader, in UTF-8."""
    return page(
        "study.html.j2",
        study_gallery(study.grader),
        title=f"{study.scenario}: {study.grader_name}",
        study=study,
        word=verdict.verdict,
        gates=verdict.gates,
        findings=list(alike(findings))[:MOST_FINDINGS],
    )


def _settings(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
            yield f"{prefix}{name}", "none" if shown is None else str(shown)


# -- the file --------------------------------------------------------------------------------------------


def page(template: str, sections: list[Section], *, script: str = "page", **context: Any) -> bytes:
    """Return a page of its own: style, scripts and data are in it, and nothing else may be loaded.

    The page of a run that goes on, whose script is `live`, asks for data where it came from.
    """
    scripts = [vega(), _asset("draw.js"), _asset(f"{script}.js")]
    specs = {picture.name: picture.spec for section in sections for picture in section.pictures}
    return (
        _environment()
        .get_template(template)
        .render(
            sections=sections,
            style=Markup(_asset("style.css")),  # noqa: S704 our own
            scripts=[Markup(script) for script in scripts],  # noqa: S704 our own, and the library's
            policy=_policy(scripts, asks=script == "live"),
            data=Markup(_embedded(specs)),  # noqa: S704 escaped there
            reasons_first=REASONS_FIRST,
            **context,
        )
        .encode("utf-8", "replace")
    )


def _policy(scripts: list[str], *, asks: bool) -> str:
    """Return the content security policy: these scripts run, and nothing comes from anywhere."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    where = "'self'" if asks else "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:;"
        f" connect-src {where}; base-uri 'none'; form-action 'none'"
    )


def _embedded(value: Any) -> str:
    """Return JSON that can stand in a script element: no text in it can end that, or begin another."""
    text = msgspec.json.encode(_encodable(value)).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _encodable(value: Any) -> Any:
    match value:
        case dict():
            return {key: _encodable(item) for key, item in value.items()}
        case list() | tuple():
            return [_encodable(item) for item in value]
        case str():
            return value.encode("utf-8", "replace").decode()
        case _:
            return value


@functools.cache
def _asset(name: str) -> str:
    return resources.files("reports.html").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports.html", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    environment.filters |= {
        "count": count,
        "counted": counted,
        "duration": duration,
        "duration_ms": duration_ms,
        "enumerated": enumerated,
        "number": number,
        "share": share,
    }
    environment.globals |= {
        "agreement_rows": agreement_rows,
        "evidence": evidence,
        "learning_lines": learning_lines,
        "misses_line": misses_line,
        "observed": observed,
        "repeats_lines": repeats_lines,
    }
    return environment


def _shown(value: Any) -> Any:
    """Return a text without what could act on a reader; markup is our own."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value
