"""Data sets for people: prepare, list, look at."""
