"""Profiles: what a mesh and its exporters are asked, as files that a person can read and change."""
