"""Returns: goods that come back from customers, from the request to refund or exchange."""
