"""The command line: what is typed, and errors that a person can read."""
