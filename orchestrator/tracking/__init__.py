"""What becomes of a replicate: stored, tracked, shown."""
