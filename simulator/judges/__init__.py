"""Whoever gives a rollout its score: an endpoint, a model, fenced Python, or a grader of texts."""
