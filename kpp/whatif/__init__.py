"""Performance at a load that was not run: one file per model, one registry, one interface (`model.py`)."""
