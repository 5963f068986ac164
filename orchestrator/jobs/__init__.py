"""Commands as jobs of a cluster: what is shipped, which attempt it is, how its log is followed."""
