"""The HTTP side: paths, verbs, content types, watches and tables."""
