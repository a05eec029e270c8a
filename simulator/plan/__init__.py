"""What the trainer will do, decided by pure code: no clock, no socket, no waiting."""
