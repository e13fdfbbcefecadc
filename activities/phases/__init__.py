"""Phases: what is due for an order, in one transaction, and the calls that follow it."""
