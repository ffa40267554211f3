"""What the commands around what-if models show and share."""
