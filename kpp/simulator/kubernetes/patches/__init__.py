"""The three kinds of patches that a Kubernetes API server takes."""
