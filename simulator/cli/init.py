"""`rft-preflight init`: a scenario to start from."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from simulator.cli.output import say
from simulator.errors import InputError
from simulator.job.starter import starter_scenario


def init(
    job: Path,
    /,
    *,
    out: Path | None = None,
    force: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Write a starting scenario for a job, with every setting in it and its default.

    Parameters
    ----------
    job
        The job's JSON.
    out
        The file to write; by default scenario.toml beside the job.
    force
        Overwrite the file if it is there.
    """
    path = out or job.parent / "scenario.toml"
    text = starter_scenario(job, path.parent)
    if path.exists() and not force:
        raise InputError("is there already", where=str(path), remedy="pass --force to overwrite it")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", where=str(path), remedy="choose another --out"
        ) from None
    say(f"wrote {path}; now `rft-preflight run {path}`")
    return 0
