"""Distributions written as text: `20`, `uniform:10:30`, `lognormal:50:1`, `mix:99%*20+1%*2000`.

One grammar for all that is drawn: synthetic calls and think times, and the mock's service times. The unit is
that of the setting the text stands in.
"""

import math
import random
from collections.abc import Callable, Sequence
from functools import cache, partial

import msgspec

from simulator.errors import InputError

Draw = Callable[[random.Random], float]


class Distribution(msgspec.Struct, frozen=True):
    """A parsed distribution: `draw(rng)` gives one value, never negative.

    `draw_count(rng)` gives a whole number whose mean is the distribution's: the fraction decides by chance.
    """

    text: str
    draw: Draw
    mean: float
    draw_count: Callable[[random.Random], int]


def parse_distribution(text: str, *, where: str = "") -> Distribution:
    """Parse `text`; InputError, naming `where` and the known forms, when it is none."""
    try:
        return _parse(text.strip())
    except (ValueError, KeyError, OverflowError, RecursionError):
        raise InputError(
            f"`{text}` is no distribution",
            where=where,
            remedy="write a number, or one of " + ", ".join(f"`{form}`" for form in _EXAMPLES),
        ) from None


@cache
def _parse(text: str) -> Distribution:
    name, _, rest = text.partition(":")
    if name == "mix":
        return _mix(text, rest.split("+"))
    parameters = [_number(part) for part in rest.split(":")] if rest else []
    if not parameters and name not in _FORMS:
        name, parameters = "constant", [_number(name)]
    draw, mean = _FORMS[name](*_sized(name, parameters))
    if not math.isfinite(mean):
        raise OverflowError(text)
    if name == "constant" and mean == int(mean):
        return Distribution(text, draw, mean, partial(_same, int(mean)))
    return Distribution(text, draw, mean, _counting(draw))


def _mix(text: str, parts: Sequence[str]) -> Distribution:
    weights, choices = [], []
    for part in parts:
        weight, star, inner = part.partition("*")
        if not star or not weight.endswith("%"):
            raise ValueError(part)
        weights.append(_number(weight[:-1]))
        choices.append(_parse(inner))
    total = math.fsum(weights)
    if abs(total - 100) > 1e-9:
        raise ValueError(text)
    mean = math.fsum(w * c.mean for w, c in zip(weights, choices, strict=True)) / total

    def draw(rng: random.Random) -> float:
        return rng.choices(choices, weights)[0].draw(rng)

    return Distribution(text, draw, mean, _counting(draw))


def _counting(draw: Draw) -> Callable[[random.Random], int]:
    def draw_count(rng: random.Random) -> int:
        value = draw(rng)
        whole = int(value)
        return whole if whole == value else whole + (rng.random() < value - whole)

    return draw_count


def _same(count: int, _rng: random.Random) -> int:
    return count


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(text)
    return value


def _sized(name: str, parameters: list[float]) -> list[float]:
    if len(parameters) != _ARITY[name]:
        raise ValueError(name)
    return parameters


def _constant(value: float) -> tuple[Draw, float]:
    return lambda _rng: value, value


def _uniform(low: float, high: float) -> tuple[Draw, float]:
    if high < low:
        raise ValueError(high)
    span = high - low
    return lambda rng: low + span * rng.random(), (low + high) / 2


def _lognormal(median: float, sigma: float) -> tuple[Draw, float]:
    mu = math.log(median)
    return lambda rng: rng.lognormvariate(mu, sigma), median * math.exp(sigma * sigma / 2)


def _exponential(mean: float) -> tuple[Draw, float]:
    return lambda rng: rng.expovariate(1 / mean) if mean else 0.0, mean


_FORMS: dict[str, Callable[..., tuple[Draw, float]]] = {
    "constant": _constant,
    "uniform": _uniform,
    "lognormal": _lognormal,
    "exponential": _exponential,
}
_ARITY = {"constant": 1, "uniform": 2, "lognormal": 2, "exponential": 1}
_EXAMPLES = ("uniform:LOW:HIGH", "lognormal:MEDIAN:SIGMA", "exponential:MEAN", "mix:99%*20+1%*2000")
