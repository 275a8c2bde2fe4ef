"""The calls of torch.distributed's functions in this process, told to whoever listens."""
