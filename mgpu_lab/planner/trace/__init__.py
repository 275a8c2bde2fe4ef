"""One rank's real training step without GPU and without memory, in a process of its own."""
