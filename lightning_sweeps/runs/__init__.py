"""One run: a composed config -> one Lightning run -> its result. Knows nothing of searches."""
