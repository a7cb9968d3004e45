"""A search that is stored, gone through again with other pruners."""
