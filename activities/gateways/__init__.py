"""The partners: a Protocol each, and the client that speaks to the real thing."""
