"""What `fdsweep analyze` asks of features: how alike they are, and where they lie."""
