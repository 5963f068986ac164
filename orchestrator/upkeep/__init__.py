"""What becomes of sweeps when they are done: archives, and what no sweep needs any more."""
