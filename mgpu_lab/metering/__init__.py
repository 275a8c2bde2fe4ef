"""Where the time of a training loop goes: steps, items a second, and a step's compute, communication and idle time."""
