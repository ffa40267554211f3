"""Reads and validates tables of measurements; the way in is `kpp.schema.read_measurements`."""
