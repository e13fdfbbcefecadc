"""Events for other programs: the feed, and its delivery to subscribers."""
