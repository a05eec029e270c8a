"""The command `rft-preflight`."""
