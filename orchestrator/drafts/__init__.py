"""Files that people write: what may stand in them, for editors, and studies to begin with."""
