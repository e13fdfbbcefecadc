"""A stateful hypothesis test of the warehouse: all ways to move stock, in any order, with invariants."""
