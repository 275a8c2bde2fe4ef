"""What crosses between the notebook's kernel and a rank: messages, values, the names of ranks, errors."""
