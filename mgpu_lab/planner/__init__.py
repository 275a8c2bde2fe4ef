"""Will it fit, how fast, on which machine, at what cost: closed-form plans, a hardware table, a trace of real code.

Plans are arithmetic and import no torch; only `trace_training` runs torch, in a child process.
"""
