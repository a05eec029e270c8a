import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

from simulator.engine import run

# The same examples every time, and no opinion on how fast the machine is.
settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files instead of comparing with them"
    )


def pytest_collection_finish() -> None:
    """Have the garbage collector not look at what was collected, which is most of what there is."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _a_cache_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what takes long to make, once for all programs that the tests start, out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _what_is_frozen_stays_so() -> Iterator[None]:
    """Keep a run from searching all that the tests before it left: that takes longer than the run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "gc", SimpleNamespace(**{name: lambda *_: () for name in _USED}))
        yield


_USED = ("collect", "freeze", "unfreeze", "get_threshold", "set_threshold")
