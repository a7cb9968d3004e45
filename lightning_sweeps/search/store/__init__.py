"""Where a study is kept, and whose its trials are."""
