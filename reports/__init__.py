"""What people and machines read of a run: pure functions of its summary and verdict, and where they go."""
