"""The views of the business that API and CLI show."""
