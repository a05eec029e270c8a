"""Requests on the wire. Nothing here raises into the plan: whatever happens becomes a Reply."""
