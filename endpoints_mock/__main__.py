"""Run the mock as a process of its own: `python -m endpoints_mock DOMAIN`.

Prints one JSON line, `{"url": ...}`, once it can be reached. The bearer token comes from the environment
variable MOCK_TOKEN, because an argument list is public. With `--parent-pipe` the process ends when its
standard input does, so that it cannot outlive the program that holds the other end.
"""

import argparse
import os
import sys

# A search is too small a matter to be shared out among threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy loads

import msgspec

from endpoints_mock import standalone
from endpoints_mock.domains import DOMAINS
from endpoints_mock.server import Listening
from endpoints_mock.settings import MockSettings, decode_settings
from simulator.errors import InputError


def main() -> int:
    """Serve until told to end; 0 when it was, 2 when the settings cannot be used."""
    arguments = _parser().parse_args()
    try:
        settings = _settings(arguments.settings)
        standalone.run(
            DOMAINS[arguments.domain](),
            settings,
            host=arguments.host,
            port=arguments.port,
            announce=_announce,
            parent_pipe=arguments.parent_pipe,
        )
    except InputError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    except KeyboardInterrupt:  # before the signals are ours
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m endpoints_mock", description="Serve a mock domain.")
    parser.add_argument("domain", choices=sorted(DOMAINS))
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port to bind to (default: any free one)")
    parser.add_argument("--settings", default="{}", help="MockSettings as JSON, without the token")
    parser.add_argument("--parent-pipe", action="store_true", help="end when standard input ends")
    return parser


def _settings(json: str) -> MockSettings:
    settings = decode_settings(json)
    if settings.token is not None:
        raise InputError("an argument list is public", where="token", remedy="pass it in MOCK_TOKEN")
    return msgspec.structs.replace(settings, token=os.environ.get("MOCK_TOKEN") or None)


def _announce(listening: Listening) -> None:
    sys.stdout.write(msgspec.json.encode({"url": listening.url}).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
