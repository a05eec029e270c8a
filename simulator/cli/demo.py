"""`rft-preflight demo`: the main job against endpoints that come along."""

from typing import Annotated

from cyclopts import Parameter

from simulator.cli.output import say
from simulator.cli.prepare import RunOptions
from simulator.cli.run import run

SCENARIO = "finqa"


def demo(*, live: Annotated[bool, Parameter(negative=(), show_default=False)] = False) -> int:
    """Play one training step of the bundled scenario `finqa`, 512 rollouts, against its own endpoints.

    Parameters
    ----------
    live
        Show the run on a page of this machine while it goes on.
    """
    say(
        "A team trains an agent that answers financial questions with three tools: search, list, cat.\n"
        "This plays one step of that training against their endpoints, which run on this machine.\n"
    )
    return run(SCENARIO, RunOptions(live=live))
