"""How many replicas keep an objective."""
