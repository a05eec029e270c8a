"""What a picture is, and what all pictures have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reports.text import plain, short

Spec = dict[str, Any]
Rows = list[dict[str, Any]]

MOST_ENDPOINTS = 8
"""What is drawn by endpoint shows the busiest: more colours than that cannot be told apart."""

OTHERS = "others"

_LONGEST_NAME = 40
_HEIGHT = 220


class Key(msgspec.Struct, frozen=True):
    """What a colour stands for; `colour` is a custom property of the style sheet."""

    label: str
    colour: str
    dashed: bool = False


class Picture(msgspec.Struct, frozen=True):
    """A Vega-Lite specification with what is to be read beside it; `name` is its id in the page."""

    name: str
    title: str
    caption: str
    spec: Spec
    keys: tuple[Key, ...] = ()


def colour(name: str) -> str:
    """Return a colour of the style sheet."""
    return f"var(--{name})"


def label(name: str) -> str:
    """Return an endpoint's name as it is drawn."""
    return short(plain(name), _LONGEST_NAME)


def series_keys(names: Sequence[str]) -> tuple[Key, ...]:
    """Return the keys of endpoints: as many colours as there are, and grey for the others."""
    return tuple(
        Key(name, colour("others" if name == OTHERS else f"series-{n}")) for n, name in enumerate(names, 1)
    )


def chart(rows: Rows, *layers: Spec, height: int = _HEIGHT, **encoding: Any) -> Spec:
    """Return a picture as wide as the page of rows, which all layers share, as they do the encoding."""
    spec: Spec = {
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"name": "rows", "values": rows},
    }
    if len(layers) > 1:
        return spec | {"encoding": encoding, "layer": list(layers)}
    (alone,) = layers
    return spec | alone | {"encoding": encoding | alone.get("encoding", {})}


def quantity(field: str, title: str | None = None, **more: Any) -> Spec:
    """Return an axis of numbers, or of what is only needed where `title` is None."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def milliseconds(field: str, title: str | None = None, **scale: Any) -> Spec:
    """Return a logarithmic axis of milliseconds, each shown in its natural unit."""
    axis = {"tickCount": 5, "labelExpr": _DURATION}
    return quantity(field, title, scale={"type": "log", **scale}, axis=axis)


_DURATION = (
    "datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s' : format(datum.value, '~g') + ' ms'"
)


def by_name(field: str, keys: Sequence[Key]) -> Spec:
    """Return a colour by name; the page, not the picture, shows what it stands for."""
    scale = {"domain": [key.label for key in keys], "range": [key.colour for key in keys]}
    return {"field": field, "type": "nominal", "scale": scale, "legend": None}


def tooltip(**fields: str) -> list[Spec]:
    """Return what is told of a mark that is pointed at: fields by their titles, `_` standing for a space."""
    return [{"field": field, "title": title.replace("_", " ")} for title, field in fields.items()]


def busiest(attempts: Mapping[str, int]) -> list[str]:
    """Return the endpoints that are drawn, in the order of the run."""
    ranked = sorted(attempts, key=lambda name: attempts[name], reverse=True)[:MOST_ENDPOINTS]
    return [name for name in attempts if name in ranked and attempts[name]]
