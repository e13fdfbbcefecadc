"""Simulate the partners for demo and tests: payment provider, suppliers, carriers, mail server."""
