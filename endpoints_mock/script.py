"""What is put on the wire, HTTP or not, as a sequence of steps, so that nobody need wait while it is played.

b"..."      is sent
0.5         nothing is sent for half a second
End.RESET   the connection ends, and the script with it
"""

from collections.abc import Iterable
from enum import Enum


class End(Enum):
    """A step that is the last one."""

    CLOSE = "close in an orderly way"
    RESET = "close with a reset"
    HANG = "do nothing more until the peer closes"
    LINGER = "close so that the peer can still read the answer, even while it is sending"


Step = bytes | float | End
Script = Iterable[Step]
