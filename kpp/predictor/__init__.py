"""Phase 2: train one model per service on the measurements, and score it."""
