"""Optimizers in turn, schedules, precision and guards."""
