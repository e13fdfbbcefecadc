"""The database: its engine and transactions, and what the doors write straight into it.

`engine` is for everybody; `door` keeps facts before they are signalled; `importing` takes master
data. Everything else in the tables is written by the steps of workflows.
"""
