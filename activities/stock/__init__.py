"""Stock: counters, reservations and backorders of SKUs at locations."""
