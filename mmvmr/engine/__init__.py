"""What training needs beside MMEngine's runner: optimizers in turn, schedules, safe checkpoints, wrappers and hooks."""
