"""What the cluster stores, and the rules that each write has to keep."""
