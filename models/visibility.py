"""Queries of the engine's visibility that find workflows in trouble."""

REPORTED_PROBLEMS = "TemporalReportedProblems"
"""The search attribute by which the engine (1.31 does; older ones may not) marks such workflows."""
FAILING = (
    f"ExecutionStatus = 'Running' AND {REPORTED_PROBLEMS} IN "
    "('category=WorkflowTaskFailed', 'category=WorkflowTaskTimedOut')"
)
"""The query that finds them."""
CUT_OFF_STATUSES = ("Terminated", "Failed", "TimedOut", "Canceled")
"""How a workflow of ours ends by another's hand only."""
CUT_OFF = f"ExecutionStatus IN {CUT_OFF_STATUSES}"
"""The query that finds those; one may run again since."""
