"""Counting what happened: tallies that add, merge and serialise, and the summary made of them."""
