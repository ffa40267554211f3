"""From measured rows to clean, scaled windows of every service."""
