"""What will be submitted: the job, its datasets, and the scenario on top; read and checked, never sent."""
