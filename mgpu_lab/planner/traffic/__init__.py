"""What one GPU sends in a step: collectives, their bytes, the parameters behind them."""
