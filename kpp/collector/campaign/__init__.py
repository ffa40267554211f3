"""A campaign: what is planned, what happens in each phase, what is on record, and what is put back."""
