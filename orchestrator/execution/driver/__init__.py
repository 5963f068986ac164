"""How a driver ends, with its cluster or without it."""
