"""The command line, one module for each domain; `starter.py` puts them together."""
