"""What stands behind numbers: the paper's tables and its setting, and the machines of ours."""
