"""The rules and data of the business: pure code, without I/O."""
