"""What a search leaves: tables, checkpoints, notes, and what it says."""
