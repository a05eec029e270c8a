import pytest
from trio.testing import MockClock


@pytest.fixture
def clock():
    """Time that jumps once nothing moves any more; the pause lets the kernel hand bytes from end to end."""
    return MockClock(autojump_threshold=0.01)
