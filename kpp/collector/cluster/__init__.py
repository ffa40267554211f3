"""Kubernetes, as the collector needs it: its API with patience, roll-outs, the load generator, the Lease."""
