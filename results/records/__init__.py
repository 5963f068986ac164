"""What is stored: schemas, files, and how they are read."""
