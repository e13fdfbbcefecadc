"""A stateful hypothesis test of billing: all money movements, in any order."""
