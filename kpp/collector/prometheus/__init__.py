"""Prometheus, as the collector needs it: access, questions, and answers that are checked."""
