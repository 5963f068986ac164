"""What a person sees of a command before it runs: help, examples, completion."""
