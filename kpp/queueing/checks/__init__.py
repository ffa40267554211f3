"""Laws as checks of data quality: what contradicts them was measured wrong."""
