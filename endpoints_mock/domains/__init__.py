"""The domains that the mock can serve, by name."""

from collections.abc import Callable

from endpoints_mock.domain import Domain
from endpoints_mock.domains.echo import echo_domain


def _finqa() -> Domain:
    # numpy takes 12 MB and a fifth of a second, and every command knows the names of the domains.
    from endpoints_mock.domains.finqa import finqa_domain  # noqa: PLC0415

    return finqa_domain()


DOMAINS: dict[str, Callable[[], Domain]] = {"echo": echo_domain, "finqa": _finqa}
"""Each makes its domain anew; that may take a second."""
