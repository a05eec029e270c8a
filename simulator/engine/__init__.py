"""Trio drives the rollouts: it waits and sends, and decides nothing."""
