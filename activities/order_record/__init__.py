"""The record of an order that all rooms share: progress, balance, problems, audit trail."""
