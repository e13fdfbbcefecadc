"""Shipping: shipments from planning to delivery, their carriers, and claims for lost goods."""
