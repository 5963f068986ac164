"""From finished trials to tables and pictures."""
