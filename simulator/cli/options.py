"""What options of several commands have in common."""

import math

from simulator.errors import InputError


def share(text: str, option: str) -> float:
    """Return a share from 0 to 1 that is written as `5%` or `0.05`; InputError where it is none."""
    number, per_cent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number) / (100 if per_cent else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InputError("must be a share from 0 to 1", where=option, remedy="write it as 5% or 0.05")
    return value
