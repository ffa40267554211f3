"""The GRUs of many services in training at once, as one batched computation."""
