"""A study as the engine sees it: the ledger of its trials, and a scheduler made of its sampler and pruner."""
