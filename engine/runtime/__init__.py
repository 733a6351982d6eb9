"""What acts: the drive, the group-committing writer, executors, the engine, workers and the clock."""
