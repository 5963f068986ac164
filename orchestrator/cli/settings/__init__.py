"""What options are where they are not typed: files, variables, and the command that tells."""
