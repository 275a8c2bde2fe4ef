"""Where the time of a training loop goes: steps, items a second."""
