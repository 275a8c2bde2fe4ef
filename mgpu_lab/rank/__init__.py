"""What runs inside a rank's process: shell, process group, watch over its collectives, the way out of a hang."""
