"""A stateful hypothesis test of the warehouse: all stock movements, in any order."""
