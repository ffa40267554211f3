"""The models of loads that were not run: one file per model, and what several of them share."""
