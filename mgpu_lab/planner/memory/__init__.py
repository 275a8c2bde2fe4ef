"""What a GPU holds at each moment of a step, and while it serves: a step played through on paper."""
