"""What a worker executes."""
