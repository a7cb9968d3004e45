"""Errors of a study's storage."""

from optuna.exceptions import StorageInternalError

from lightning_sweeps.errors import FolderError

STORAGE_TROUBLE = (OSError, FolderError, StorageInternalError)  # nothing that one trial can be blamed for
