"""How long a step or a token takes: operations, bandwidth, links, and what of it overlaps."""
