"""The database: engine and transactions, steps, commands, and the inbox of facts."""
