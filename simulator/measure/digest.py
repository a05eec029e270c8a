"""What tells whether two outputs say the same, without keeping either."""

import hashlib

import msgspec

LOOKED_AT_CHARS = 8192
"""Of a longer output only the beginning and the length count."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode


def digest_of(output: str, chars: int) -> str:
    """Return 16 hexadecimal digits that are the same for outputs that say the same.

    `output` may be cut after LOOKED_AT_CHARS, `chars` is its whole length. Of JSON the order of members and
    the white space say nothing, nor does white space at the ends of a text.
    """
    if chars > LOOKED_AT_CHARS:
        said = f"{chars} {output[:LOOKED_AT_CHARS]}".encode("utf-8", "surrogatepass")
    else:
        said = _canonical(output)
    return hashlib.blake2b(said, digest_size=8).hexdigest()


def _canonical(output: str) -> bytes:
    try:
        return _encode(_decode(output))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return output.strip().encode("utf-8", "surrogatepass")
