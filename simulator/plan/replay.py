"""The policy that does again what was recorded, and which rollout replays which recording."""

import hashlib
import random
from collections.abc import Mapping, Sequence

import msgspec

from simulator.model import RolloutSpec, Split, ToolCall, Turn
from simulator.plan.distribution import Distribution
from simulator.plan.policy import Seen
from simulator.plan.synthetic import SyntheticSettings


class ReplaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a recorded policy replays: files, `*` standing for any part of a name, relative to the scenario.

    `tools` gives a recorded tool the job's name for it, or `none` to leave its calls out. Where a recording
    has no think times a turn thinks for `tokens`, a distribution; no turn thinks for more than `think_cap_s`
    seconds. `broken` is the share of broken records (0 to 1) from which on a recording is refused.
    """

    traces: tuple[str, ...] = ()
    tools: dict[str, str] = {}
    tokens: str = SyntheticSettings().tokens
    think_cap_s: float = 120.0
    broken: float = 0.05


class Then(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What came of a call when it was recorded; what is not known is None.

    `digest` is that of the whole output, see `measure.digest`; `output` is its beginning, cut to SHOWN_CHARS.
    """

    seconds: float | None
    output: str | None
    digest: str | None
    failed: bool


class TakenCall(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call to be made again."""

    name: str
    arguments: str
    then: Then


class TakenTurn(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A turn to be taken again; `think_s` is in seconds, None where that is not known."""

    think_s: float | None
    calls: tuple[TakenCall, ...]


class Take(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A recorded rollout as it is replayed; `seconds` is how long it took, None where that is not known."""

    trace_id: str
    turns: tuple[TakenTurn, ...]
    answer: str
    score: float | None
    seconds: float | None


class Takes:
    """Recorded rollouts by number, encoded, which takes a tenth of the room."""

    def __init__(self) -> None:
        self._encoded: list[bytes] = []

    def __len__(self) -> int:
        return len(self._encoded)

    def __getitem__(self, number: int) -> Take:
        return _decode(self._encoded[number])

    def append(self, take: Take) -> None:
        """Keep one more."""
        self._encoded.append(_encode(take))

    def replace(self, number: int, take: Take) -> None:
        """Keep one in the place of another."""
        self._encoded[number] = _encode(take)

    def content(self, number: int) -> bytes:
        """Return what is the same only for rollouts that are replayed alike."""
        take = self[number]
        asked = [(turn.think_s, [(call.name, call.arguments) for call in turn.calls]) for turn in take.turns]
        return hashlib.blake2b(_encode((asked, take.answer)), digest_size=16).digest()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Take).decode


class Casting:
    """Says which recording a rollout replays: one of its item's, else of all, in an order drawn by the seed.

    `of_item` numbers the recordings of each item, by split and index; `as_recorded` is the order in which a
    load of mode `recorded` plays them. The rollouts of a group replay different ones as long as there are
    any: of recordings that are alike `all_distinct` and `of_item` have one.
    """

    def __init__(
        self,
        of_item: Mapping[tuple[Split, int], Sequence[int]],
        all_distinct: Sequence[int],
        as_recorded: Sequence[int],
        seed: int,
    ) -> None:
        self._as_recorded = as_recorded
        self._of_item = {item: _shuffled(of, f"{seed}/{item}") for item, of in of_item.items()}
        self._of_all = _shuffled(all_distinct, str(seed))

    def number_of(self, spec: RolloutSpec) -> int:
        """Return the number of the recording."""
        if spec.kind == "recorded":
            return self._as_recorded[spec.index]
        own = self._own(spec)
        # Groups begin at different places, or the first recordings would be played more often than the last.
        return own[(spec.group + spec.place) % len(own)]

    def is_repeated(self, spec: RolloutSpec) -> bool:
        """Tell whether another rollout of the group has replayed the same recording already."""
        return spec.kind != "recorded" and spec.place >= len(self._own(spec))

    def _own(self, spec: RolloutSpec) -> Sequence[int]:
        return self._of_item.get((spec.item.split, spec.item.index), self._of_all)


def _shuffled(numbers: Sequence[int], seed: str) -> Sequence[int]:
    shuffled = list(numbers)
    random.Random(seed).shuffle(shuffled)
    return shuffled


class Thinking(msgspec.Struct, frozen=True):
    """Where think times come from besides the recording itself.

    `tokens` where it has none; `recorded` are all think times of the recordings, in seconds, from which a
    repetition draws; `at_most_s` caps them, in seconds.
    """

    tokens: Distribution
    recorded: Sequence[float]
    at_most_s: float


class ReplayPolicy:
    """One rollout that does again what was recorded. What the tools answer changes nothing.

    A repetition thinks for times drawn from all that were recorded: its calls are to be those of another
    rollout, but not to arrive in step with them.
    """

    __slots__ = ("_turns",)

    def __init__(self, take: Take, thinking: Thinking, rng: random.Random, *, repeats: bool) -> None:
        turns = [_turn(turn, thinking, rng, repeats=repeats) for turn in take.turns]
        if turns and not turns[-1].calls:
            turns[-1] = msgspec.structs.replace(turns[-1], answer=take.answer)
        else:
            turns.append(Turn(answer=take.answer))
        turns.reverse()
        self._turns = turns

    def next(self, seen: Seen) -> Turn:  # noqa: ARG002 the protocol's signature
        """Return the next turn, or the answer once all calls are made."""
        return self._turns.pop()


def _turn(turn: TakenTurn, thinking: Thinking, rng: random.Random, *, repeats: bool) -> Turn:
    calls = tuple(ToolCall(call.name, call.arguments) for call in turn.calls)
    if turn.think_s is None:
        return Turn(calls, "", thinking.tokens.draw_count(rng))
    seconds = rng.choice(thinking.recorded) if repeats else turn.think_s
    return Turn(calls, "", 0, min(seconds, thinking.at_most_s))
