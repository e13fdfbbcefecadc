"""A stateful hypothesis test of billing: all that moves money, in any order, with invariants."""
