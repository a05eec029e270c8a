"""What the command line's TARGET stands for: a bundled scenario, a scenario TOML, or a job."""

import importlib.resources
from pathlib import Path
from typing import Literal

import msgspec

from simulator.errors import InputError
from simulator.job.document import is_file, listed
from simulator.job.strictjson import quoted

SCENARIO_FILE = "scenario.toml"


Kind = Literal["scenario", "job", "dataset"]


class Target(msgspec.Struct, frozen=True):
    """A file, and what is in it: a scenario's TOML, a job's JSON, or a dataset's rows."""

    kind: Kind
    path: Path

    @property
    def name(self) -> str:
        """What reports call it: the file's stem, or the folder's name where the stem says nothing."""
        stem = self.path.stem
        return self.path.resolve().parent.name or stem if stem in {"scenario", "job"} else stem


def bundled_scenarios() -> dict[str, Path]:
    """Return the scenarios that come with the program, by name."""
    root = importlib.resources.files("scenarios")
    found = {entry.name: Path(str(entry)) / SCENARIO_FILE for entry in root.iterdir()}
    return {name: path for name, path in sorted(found.items()) if is_file(path)}


def resolve(target: str) -> Target:
    """Return what `target` names; InputError, with the bundled scenarios, where it names nothing.

    A bundled scenario's name goes first, so that it means the same in every folder; `./NAME` is the folder's.
    """
    bundled = bundled_scenarios()
    if target in bundled:
        return Target("scenario", bundled[target])
    path = Path(target)
    for candidate in (path, path / SCENARIO_FILE) if target else ():
        if is_file(candidate):
            return Target(_kind_of(candidate), candidate)
    raise InputError(
        f"{quoted(target)} is no scenario, no folder with a {SCENARIO_FILE} and no job file",
        where="TARGET",
        remedy="bundled scenarios: " + listed(bundled),
    )


_BY_SUFFIX: dict[str, Kind] = {".toml": "scenario", ".json": "job", ".jsonl": "dataset"}


def _kind_of(path: Path) -> Kind:
    """Tell by extension, and by content where that says nothing: a job begins with a brace."""
    if path.suffix in _BY_SUFFIX:
        return _BY_SUFFIX[path.suffix]
    try:
        with path.open("rb") as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return "job"  # reading it whole will say what is wrong with it
    return "job" if start.startswith(b"{") else "scenario"
