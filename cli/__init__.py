"""The command line, `sagalog`."""
