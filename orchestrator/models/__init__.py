"""Students that are kept: what keeping them takes, which there are, and how one is given away."""
