"""Whether cards, board, supply, outlet and case go together."""
