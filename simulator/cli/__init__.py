"""The command `rft-preflight`."""

import sys


def main() -> None:
    """Be the command; Ctrl-C while it still loads ends it as quietly as later on."""
    try:
        from simulator.cli.main import invoke, prepare_streams  # noqa: PLC0415 a second of imports

        prepare_streams()
        code = invoke(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code)
