"""Where a study is kept: journal files, data bases, and the locks beside them."""
