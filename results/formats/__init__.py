"""Reports as text, in a format for each kind of reader."""
