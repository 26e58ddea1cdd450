"""What every other room may use: files, and messages between processes."""
