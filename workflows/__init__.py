"""Workflows: sequence, waits, retries and compensation; the work itself is in activities/."""
