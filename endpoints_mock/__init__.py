"""Endpoints to try the program on: an HTTP server that behaves, or misbehaves, like a customer's.

Reading order: `domain` (what is served), `settings` (how badly), `endpoint` (one call from queue to answer),
`script` and `wire_faults` (what misbehaviour looks like on the wire), `server` (paths), `http` (bytes into
requests), `connection` (requests to scripts), `loop` (who waits), `arrival` (since when).
"""
