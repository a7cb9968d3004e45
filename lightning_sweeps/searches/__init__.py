"""Everything that knows Optuna: the Hydra sweeper ``hydra/sweeper=study`` and the supervisor behind it.

``sweeper`` is imported at every start of Hydra, so it and this file import nothing heavy.
"""
