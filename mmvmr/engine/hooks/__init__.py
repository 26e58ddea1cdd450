"""What happens around a training step: MMEngine hooks."""
