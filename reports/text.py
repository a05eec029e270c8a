"""Numbers and names as people read them, and text that cannot act on a terminal or break XML."""

from collections.abc import Callable, Mapping

from simulator.metrics import Unit


def plain(text: str) -> str:
    """Return the text on one line, without control, format or unassigned characters.

    Names and answers come from strangers: an escape sequence in one must not move anybody's cursor.
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def short(text: str, most: int) -> str:
    """Return the text in at most `most` characters; the middle goes, for names differ at their ends."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def duration(seconds: float) -> str:
    """Return a duration in its natural unit: 0.4 ms, 412 ms, 8.9 s, 94 s, 2 m 10 s, 1 h 5 m."""
    if not seconds:
        return "0 s"
    if seconds >= 119.5:
        return _minutes(seconds)
    value, unit = (seconds, "s") if seconds >= 0.9995 else (seconds * 1000, "ms")
    if value < 0.05:
        return f"<0.1 {unit}"
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def _minutes(seconds: float) -> str:
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{count(hours)} h {minutes} m"


def duration_ms(milliseconds: float) -> str:
    """Return a duration that is given in ms."""
    return duration(milliseconds / 1000)


def share(part: float) -> str:
    """Return a share of one in percent; what is not nothing never reads as nothing, nor almost all as all."""
    if 0 < part < 0.0001:
        return "<0.01%"
    if 0 < part < 0.001:
        return f"{part:.2%}"
    if 0.9995 <= part < 1:
        return ">99.9%"
    return "100%" if part == 1 else f"{part:.1%}"


def count(number: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,}"


def number(value: float) -> str:
    """Return a number without a unit, to three digits or to the last whole one."""
    if value == int(value):
        return count(int(value))
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def counted(number: int, noun: str) -> str:
    """Return `1 rollout`, `2 rollouts`."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def enumerated(counts: Mapping[str, int], most: int = 4) -> str:
    """Return `http_5xx 69, timeout 3`: the most frequent first, the rest in one number."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    said = [f"{plain(name)} {count(times)}" for name, times in ranked[:most]]
    rest = sum(times for _, times in ranked[most:])
    return ", ".join([*said, f"others {count(rest)}"] if rest else said)


_IN_UNIT: dict[Unit, Callable[[float], str]] = {"time": duration, "share": share, "number": number}


def observed(value: float | None, unit: Unit) -> str:
    """Return what a gate observed, in its unit."""
    return "not measured" if value is None else _IN_UNIT[unit](value)
