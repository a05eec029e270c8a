"""Plays the trainer of an agent reinforcement fine-tuning job against the customer's endpoints."""
