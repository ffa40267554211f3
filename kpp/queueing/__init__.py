"""Queueing: pure formulas, and what they estimate from a table of measurements. See docs/what-if.md."""
