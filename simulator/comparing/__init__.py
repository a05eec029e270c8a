"""What changed between two runs, told from noise."""
