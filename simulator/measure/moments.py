"""The mean and the spread of numbers, summed without rounding."""

import math
from typing import Self

_UNIT_BITS = 1074  # every float is a whole number of 2**-1074, the smallest there is
_GUARD_BITS = 64  # of a square root, beyond the digits that a float can hold


class Moments:
    """The first two moments of finite numbers, as exact integers.

    Sums of floats depend on the order of adding; these do not, so that shards merge to what one tally of all
    would have counted, and nothing need be kept of a single number.
    """

    __slots__ = ("_sum", "_sum_of_squares", "count")

    def __init__(self, count: int = 0, sum_: int = 0, sum_of_squares: int = 0) -> None:
        self.count, self._sum, self._sum_of_squares = count, sum_, sum_of_squares

    def add(self, number: float) -> None:
        """Add a number; OverflowError or ValueError for one that is not finite."""
        numerator, denominator = number.as_integer_ratio()
        shift = _UNIT_BITS + 1 - denominator.bit_length()
        self.count += 1
        self._sum += numerator << shift
        self._sum_of_squares += numerator * numerator << 2 * shift

    @property
    def mean(self) -> float | None:
        """Return the mean, correctly rounded; None without a number."""
        return self._sum / (self.count << _UNIT_BITS) if self.count else None

    @property
    def std(self) -> float | None:
        """Return the standard deviation of these numbers, not of a sample; None without a number."""
        if not self.count:
            return None
        variance = self.count * self._sum_of_squares - self._sum**2  # in units squared, times count squared
        root = math.isqrt(variance << 2 * _GUARD_BITS)
        return root / (self.count << _UNIT_BITS + _GUARD_BITS)

    def merge(self, other: "Moments") -> None:
        """Add all that `other` has added."""
        self.count += other.count
        self._sum += other._sum  # noqa: SLF001 the same class
        self._sum_of_squares += other._sum_of_squares  # noqa: SLF001

    def to_text(self) -> str:
        """Return the count and the sums, hexadecimal: they are longer than the integers of most formats."""
        return f"{self.count:x}:{self._sum:x}:{self._sum_of_squares:x}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote; ValueError when it is something else."""
        count, sum_, sum_of_squares = (int(part, 16) for part in text.split(":"))
        return cls(count, sum_, sum_of_squares)

    def __eq__(self, other: object) -> bool:
        """Compare the sums."""
        if not isinstance(other, Moments):
            return NotImplemented
        return self.to_text() == other.to_text()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"<Moments of {self.count} numbers, mean {self.mean}, std {self.std}>"
