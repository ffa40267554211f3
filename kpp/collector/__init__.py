"""Phase 1: drive load on a live cluster and record how every service does."""
