"""What to vary, and what every room shares."""
