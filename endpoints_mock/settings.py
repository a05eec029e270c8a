"""How the mock behaves: settings as structs, as JSON, and as the short texts of a command line."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import msgspec

from endpoints_mock.wire_faults import FAULTS
from simulator.errors import InputError
from simulator.plan.distribution import Distribution, parse_distribution

Order = Literal["fifo", "random"]
T = TypeVar("T")
EVERY = "*"


class FaultRate(msgspec.Struct, frozen=True):
    """A fault and how often it happens: to `rate` (0 to 1) of the attempts, or, when `sticky`, of the calls.

    A sticky fault meets every attempt of a call alike, so that retries do not help.
    """

    kind: str
    rate: float
    sticky: bool = False


class EndpointSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One endpoint's settings; None means: as the defaults say.

    service_ms   time from the start of service to the answer, a distribution (default 0)
    workers      requests served at once, the others queue; 0, the default, is no limit
    order        who is served next: `fifo` (default) or `random`
    cold_start_s nothing is answered until so long after the first request (default 0)
    faults       texts such as `http_500=5%` or `http_500=5%:call`; added to those of the defaults
    slow_body_s  how long the body takes that the fault `slow_body` slows down (default 1)

    Of a grader's scores:

    noise        standard deviation of what is added to each (default 0)
    load_shift   `-0.07 above 40`: what is added while more calls than that are in flight
    worker_shift what is added over the connections that the second of two workers accepted (default 0)
    """

    service_ms: str | float | None = None
    workers: int | None = None
    order: Order | None = None
    cold_start_s: float | None = None
    faults: tuple[str, ...] = ()
    slow_body_s: float | None = None
    noise: float | None = None
    load_shift: str | None = None
    worker_shift: float | None = None


class MockSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole server's settings. `token` None leaves it open; `log_requests` makes `GET /log` work."""

    seed: int = 0
    token: str | None = None
    log_requests: bool = False
    defaults: EndpointSettings = EndpointSettings()
    endpoints: dict[str, EndpointSettings] = {}

    def __repr__(self) -> str:
        return f"<MockSettings seed={self.seed} endpoints={sorted(self.endpoints)}>"  # the token stays out


class LoadShift(msgspec.Struct, frozen=True):
    """What is added to scores while more than `above` calls are in flight."""

    by: float
    above: int


class Behaviour(msgspec.Struct, frozen=True):
    """An endpoint's settings, parsed, with the defaults filled in; `workers` 0 is no limit."""

    service_ms: Distribution
    workers: int
    order: Order
    cold_start_s: float
    faults: tuple[FaultRate, ...]
    slow_body_s: float
    noise: float = 0.0
    load_shift: LoadShift | None = None
    worker_shift: float = 0.0


def is_biased(behaviour: Behaviour) -> bool:
    """Tell whether anything is added to scores."""
    return bool(behaviour.noise or behaviour.load_shift or behaviour.worker_shift)


# -- from text


def parse_service(text: str, *, where: str = "service_ms") -> Distribution:
    """Parse a service time in ms (`20`, `lognormal:50:1`, ...); InputError when it is none."""
    return parse_distribution(text, where=where)


def parse_fault_rate(text: str, *, where: str = "faults") -> FaultRate:
    """Parse `KIND=RATE`, or `KIND=RATE:call` for a sticky one; RATE is `5%` or `0.05`."""
    kind, equals, amount = text.strip().partition("=")
    number, colon, scope = amount.partition(":")
    if not equals or (colon and scope not in {"call", "attempt"}):
        raise InputError(
            f"`{text}` is no fault rate", where=where, remedy="write `http_500=5%`, or `http_500=5%:call`"
        )
    if kind not in FAULTS:
        raise InputError(f"unknown fault `{kind}`", where=where, remedy="known are " + ", ".join(FAULTS))
    return FaultRate(kind, _share(number, where), scope == "call")


def parse_fault(text: str, *, where: str = "faults") -> tuple[str, FaultRate]:
    """Parse `ENDPOINT:KIND=RATE`, `*` standing for every endpoint."""
    endpoint, colon, rest = text.strip().partition(":")
    if not colon or not endpoint or "=" in endpoint:
        raise InputError(
            f"`{text}` names no endpoint", where=where, remedy="write `search:http_500=5%`, `*:...` for all"
        )
    return endpoint, parse_fault_rate(rest, where=where)


def parse_load_shift(text: str, *, where: str = "load_shift") -> LoadShift:
    """Parse `-0.07 above 40`; InputError when it is none."""
    by, above, limit = text.partition("above")
    try:
        shift = LoadShift(_finite(by), int(limit))
    except ValueError:
        above = ""
    if not above or shift.above < 0:
        raise InputError(f"`{text}` is no shift under load", where=where, remedy="write `-0.07 above 40`")
    return shift


def _finite(text: str) -> float:
    number = float(text)
    if not abs(number) <= _LARGEST_SHIFT:
        raise ValueError
    return number


_LARGEST_SHIFT = 1e6


def build_settings(
    *,
    faults: Iterable[str] = (),
    order: Order = "fifo",
    seed: int = 0,
    token: str | None = None,
    log_requests: bool = False,
    **texts: Iterable[str],
) -> MockSettings:
    """Build settings from the texts of a command line; KeyError for one that no setting has.

    `texts` are by option: `service_ms`, `workers`, `cold_start` (seconds), `noise`, `load_shift`,
    `worker_shift`. Each text is `ENDPOINT=VALUE`; `*=VALUE`, or VALUE alone, is for all. Faults are written
    as `parse_fault` reads them. InputError, naming the option, for what cannot be used.
    """
    tables: dict[str, dict[str, object]] = {EVERY: {"order": order}}
    for option, of_option in texts.items():
        setting, read = _OPTIONS[option]
        for text in of_option:
            endpoint, value = _addressed(text)
            tables.setdefault(endpoint, {})[setting] = read(value, f"{setting} of {endpoint}")
    rates: dict[str, list[str]] = {}
    for text in faults:
        endpoint, _ = parse_fault(text)
        rates.setdefault(endpoint, []).append(text.strip().partition(":")[2])
    for endpoint, of_endpoint in rates.items():
        tables.setdefault(endpoint, {})["faults"] = of_endpoint
    endpoints = {name: msgspec.convert(table, EndpointSettings) for name, table in tables.items()}
    return MockSettings(
        seed=seed, token=token, log_requests=log_requests, defaults=endpoints.pop(EVERY), endpoints=endpoints
    )


def decode_settings(json: str | bytes) -> MockSettings:
    """Decode settings written as JSON; InputError, with the path of the field, when they cannot be used."""
    try:
        return msgspec.json.decode(json, type=MockSettings)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(str(error), where="settings") from None


def behaviour_of(settings: MockSettings, name: str, *, is_tool: bool) -> Behaviour:
    """Fill in and parse the settings of endpoint `name`; InputError when they cannot be used."""
    own, base = settings.endpoints.get(name, EndpointSettings()), settings.defaults
    behaviour = Behaviour(
        service_ms=parse_service(
            str(_first(own.service_ms, base.service_ms, 0)), where=f"service_ms of {name}"
        ),
        workers=_first(own.workers, base.workers, 0),
        order=_first(own.order, base.order, "fifo"),
        cold_start_s=_first(own.cold_start_s, base.cold_start_s, 0.0),
        faults=_fault_rates(own.faults, base.faults, name, is_tool=is_tool),
        slow_body_s=_first(own.slow_body_s, base.slow_body_s, 1.0),
        **({} if is_tool else _bias(own, base, name)),
    )
    for field in ("workers", "cold_start_s", "slow_body_s"):
        if not 0 <= getattr(behaviour, field) < 1e6:
            raise InputError("must be a number from 0 to a million", where=f"{field} of {name}")
    return behaviour


def _bias(own: EndpointSettings, base: EndpointSettings, name: str) -> dict[str, Any]:
    """Return what is added to a grader's scores."""
    load_shift = _first(own.load_shift, base.load_shift, "")
    added: dict[str, Any] = {
        "noise": _first(own.noise, base.noise, 0.0),
        "worker_shift": _first(own.worker_shift, base.worker_shift, 0.0),
    }
    for field, value in added.items():
        if not abs(value) <= _LARGEST_SHIFT or (field == "noise" and value < 0):
            raise InputError("must be a finite number, and noise at least 0", where=f"{field} of {name}")
    return {
        **added,
        "load_shift": parse_load_shift(load_shift, where=f"load_shift of {name}") if load_shift else None,
    }


def _fault_rates(
    own: tuple[str, ...], base: tuple[str, ...], name: str, *, is_tool: bool
) -> tuple[FaultRate, ...]:
    where = f"faults of {name}"
    rates = [parse_fault_rate(text, where=where) for text in own]
    for rate in rates:
        if FAULTS[rate.kind].tools_only and not is_tool:
            raise InputError(f"a grader cannot have `{rate.kind}`", where=where, remedy="give it to a tool")
    taken = {rate.kind for rate in rates}
    inherited = [parse_fault_rate(text, where=where) for text in base]
    rates += [r for r in inherited if r.kind not in taken and (is_tool or not FAULTS[r.kind].tools_only)]
    for sticky in (False, True):
        if sum(rate.rate for rate in rates if rate.sticky is sticky) > 1 + 1e-9:
            raise InputError("the rates add up to more than 100%", where=where)
    return tuple(rates)


def _first(own: T | None, base: T | None, otherwise: T) -> T:
    return own if own is not None else base if base is not None else otherwise


def _addressed(text: str) -> tuple[str, str]:
    endpoint, equals, value = text.strip().partition("=")
    return (endpoint, value) if equals else (EVERY, endpoint)


def _share(text: str, where: str) -> float:
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError(f"`{text}` is no rate", where=where, remedy="write 0% to 100%, or 0 to 1")
    return share


def _whole_number(text: str, where: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 6:
        raise InputError(f"`{text}` is no whole number", where=where, remedy="write one from 0 to 999999")
    return int(text)


def _number(text: str, where: str) -> float:
    try:
        return _finite(text)
    except ValueError:
        raise InputError(f"`{text}` is no number", where=where, remedy="write one such as `0.1`") from None


def _load_shift(text: str, where: str) -> str:
    parse_load_shift(text, where=where)
    return text


def _seconds(text: str, where: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise InputError(f"`{text}` is no duration", where=where, remedy="write seconds, such as `13.5`")
    return seconds


_OPTIONS: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "service_ms": ("service_ms", lambda text, where: parse_service(text, where=where).text),
    "workers": ("workers", _whole_number),
    "cold_start": ("cold_start_s", _seconds),
    "noise": ("noise", _number),
    "load_shift": ("load_shift", _load_shift),
    "worker_shift": ("worker_shift", _number),
}
"""Each option of the command line that is given by endpoint: its setting, and what reads a value."""
