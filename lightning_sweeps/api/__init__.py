"""What Python programs and notebooks call: a run, a search, and what is left of them."""
