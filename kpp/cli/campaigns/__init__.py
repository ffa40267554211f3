"""What the commands around campaigns show and share."""
