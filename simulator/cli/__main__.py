"""`python -m simulator.cli` is `rft-preflight`."""

from simulator.cli import main

main()
