"""Trainers' wire formats: bytes <-> calls. Another trainer is another file here."""
