"""The loop that runs trials until a budget is used."""
