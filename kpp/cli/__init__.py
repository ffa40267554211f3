"""The command line: one command per file, `main` registers them."""
