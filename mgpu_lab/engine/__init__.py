"""The kernel's side of the ranks: start them, run a cell on them, see it through to its end."""
