"""Rollouts that were recorded before, of any known format."""
