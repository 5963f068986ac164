"""What spares the import of torch: what a text says of itself, and torch when it is used."""
