"""The parts of the command line; `starter.py` is its root."""
