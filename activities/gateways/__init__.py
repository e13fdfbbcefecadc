"""Gateways: what is asked of each partner, and the clients that call it."""
