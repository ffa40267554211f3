"""Intervals around the predictions of any model, calibrated on loads that were left out."""
