"""Mails to customers: what they state, and how each is sent once."""
