"""How far what-if models can be trusted: splits, scores, the leaderboard, plots."""
