"""From a command to finished trials and their report."""
