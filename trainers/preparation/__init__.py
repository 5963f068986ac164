"""From a data set's raw files to samples: what is there, and how each piece is decoded."""
