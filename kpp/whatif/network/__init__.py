"""The queueing network as a fitted value: its answers, what it assumed, how unsure it is."""
