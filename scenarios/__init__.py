"""Bundled scenarios: what to submit, how to play it, and what stands in for the model."""
