"""Where a study is kept: journal files, databases, and the locks beside them."""
