"""What the processes of a run say to one another: whole messages, however the bytes come."""

from contextlib import aclosing

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.lead import Pulse
from simulator.engine.messages import Begin, Hello, Line, Progress, Ready, Stop

NUMBERS = st.integers(0, 2**53)
MOMENTS = st.floats(allow_nan=False, allow_infinity=False)
PULSES = st.builds(Pulse, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.dictionaries(st.text(), NUMBERS))
MESSAGES = st.one_of(
    st.builds(Hello, NUMBERS),
    st.just(Ready()),
    st.builds(Progress, PULSES),
    st.builds(Begin, MOMENTS),
    st.builds(Stop, MOMENTS),
)


class Pieces:
    """A stream that brings its bytes in these pieces; `then` is raised at its end."""

    def __init__(self, pieces, then=StopAsyncIteration):
        self._pieces, self._then = iter(pieces), then

    def __aiter__(self):
        return self

    async def __anext__(self):
        for piece in self._pieces:
            return piece
        raise self._then


class Sent:
    """A stream that keeps what is sent."""

    def __init__(self):
        self.data = b""

    async def send_all(self, data):
        self.data += data


async def spoken(*messages):
    """The bytes of messages on the wire."""
    stream = Sent()
    async with trio.open_nursery() as nursery:
        line = Line(stream)
        nursery.start_soon(line.speak)
        for message in messages:
            line.say(message)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return stream.data


async def listen(stream, got):
    """Add what is heard."""
    async with aclosing(Line(stream).heard()) as messages:
        async for message in messages:
            got.append(message)


async def heard(stream):
    got = []
    await listen(stream, got)
    return got


async def heard_before(error, stream):
    """What was heard before this error came."""
    got = []
    with pytest.raises(error):
        await listen(stream, got)
    return got


def cut(data, places):
    places = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]


@pytest.fixture
async def ends():
    """Both ends of a Unix socket, as lines, and their streams."""
    ours, theirs = map(trio.SocketStream, trio.socket.socketpair())
    yield ours, theirs
    await ours.aclose()
    await theirs.aclose()


@given(st.lists(MESSAGES, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_what_was_said_is_heard_in_order_however_the_bytes_are_cut_and_joined(messages, places):
    async def there_and_back():
        return await heard(Pieces(cut(await spoken(*messages), places)))

    assert trio.run(there_and_back) == messages


async def test_a_message_that_comes_byte_by_byte_is_heard_once():
    data = await spoken(Hello(1), Begin(2.5))
    assert await heard(Pieces([bytes([byte]) for byte in data])) == [Hello(1), Begin(2.5)]


async def test_a_message_is_heard_as_soon_as_it_is_whole():
    data = await spoken(Hello(1), Ready())
    assert await heard_before(LookupError, Pieces([data[:-4]], then=LookupError)) == [Hello(1)]


@pytest.mark.parametrize("then", [StopAsyncIteration, trio.BrokenResourceError])
async def test_a_peer_that_is_gone_in_the_middle_of_a_message_has_not_said_it(then):
    data = await spoken(Hello(1), Stop(5.0))
    assert await heard(Pieces([data[:-1]], then)) == [Hello(1)]
    assert await heard(Pieces([data[:5]], then)) == []
    assert await heard(Pieces([], then)) == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"{}",
        b"hello",
        b'{"type":"Order"}',
        b'{"type":"Stop"}',
        b'{"type":"Hello","shard":"one"}',
        b"\xff",
    ],
)
async def test_what_is_no_message_is_an_error_and_not_passed_over(garbage):
    stream = Pieces([await spoken(Ready()), garbage + b"\n", await spoken(Ready())])
    assert await heard_before(msgspec.DecodeError, stream) == [Ready()]


async def test_both_ends_of_a_socket_speak_and_hear_at_the_same_time(nursery, ends):
    lines = [Line(stream) for stream in ends]
    got = [[], []]
    for number, line in enumerate(lines):
        nursery.start_soon(line.speak)
        nursery.start_soon(listen, ends[number], got[number])
    said = [[Hello(0), *[Progress(Pulse(ended=n)) for n in range(1000)]], [Begin(1.0), Stop(5.0)]]
    for line, messages in zip(lines, said, strict=True):
        for message in messages:
            line.say(message)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert got == [said[1], said[0]]
    nursery.cancel_scope.cancel()


async def test_whoever_is_gone_is_spoken_to_no_more_and_that_is_no_error(nursery, ends):
    ours, theirs = ends
    await theirs.aclose()
    line = Line(ours)
    with trio.fail_after(5):
        async with trio.open_nursery() as speaking:
            speaking.start_soon(line.speak)
            for _ in range(3):
                line.say(Ready())
    line.say(Ready())
    assert await heard(ours) == []
