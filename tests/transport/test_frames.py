import pytest

from simulator.transport.frames import MOST_STREAMS, Frames


def frame(kind, payload=b"", flags=0, stream=0):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(*pairs, flags=0):
    return frame(4, b"".join(k.to_bytes(2, "big") + v.to_bytes(4, "big") for k, v in pairs), flags)


def goaway(error, last=1):
    return frame(7, last.to_bytes(4, "big") + error.to_bytes(4, "big") + b"why")


DATA = frame(0, b"x" * 16_384, stream=1)


@pytest.mark.parametrize("at_once", [1, 7, 9, 100, 100_000])
def test_frames_are_passed_on_however_they_are_cut(at_once):
    frames, sent = Frames(), settings((3, 30)) + goaway(0) + DATA + frame(6, b"12345678")
    passed = b"".join(frames.feed(sent[start : start + at_once]) for start in range(0, len(sent), at_once))
    assert passed == settings((3, 30)) + DATA + frame(6, b"12345678")
    assert (frames.ending, frames.streams) == (True, 30)


def test_a_goaway_with_an_error_is_passed_on():
    frames = Frames()
    assert frames.feed(goaway(2)) == goaway(2)
    assert not frames.ending


@pytest.mark.parametrize(
    ("said", "streams"),
    [
        (b"", MOST_STREAMS),
        (settings((3, 30)), 30),
        (settings((1, 4096), (3, 1000)), MOST_STREAMS),
        (settings((3, 0)), 1),
        (settings((1, 4096)), 1),
        (settings(), 1),
        (settings((3, 30)) + settings(flags=1), 30),
    ],
)
def test_how_many_streams_a_server_allows(said, streams):
    frames = Frames()
    frames.feed(said)
    assert frames.streams == streams


def test_a_frame_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="too long"):
        Frames().feed(b"HTTP/1.1 200 OK\r\n\r\n")
