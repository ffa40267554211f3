"""What has to be right before a campaign: facts from the edge, and one file of pure decisions per check."""
