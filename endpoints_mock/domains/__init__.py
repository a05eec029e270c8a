"""The domains that the mock can serve, by name."""

from collections.abc import Callable

from endpoints_mock.domain import Domain
from endpoints_mock.domains.echo import echo_domain
from endpoints_mock.domains.finqa import finqa_domain

DOMAINS: dict[str, Callable[[], Domain]] = {"echo": echo_domain, "finqa": finqa_domain}
"""Each makes its domain anew; that may take a second."""
