"""How far each experiment can be trusted: decisions about its series, and the file that records them."""
