"""Visibility queries for workflows that fail or ended abnormally."""

REPORTED_PROBLEMS = "TemporalReportedProblems"
"""The search attribute of failing workflows; servers before 1.31 may lack it."""
FAILING = (
    f"ExecutionStatus = 'Running' AND {REPORTED_PROBLEMS} IN "
    "('category=WorkflowTaskFailed', 'category=WorkflowTaskTimedOut')"
)
"""The query for failing workflows."""
CUT_OFF_STATUSES = ("Terminated", "Failed", "TimedOut", "Canceled")
"""Statuses of a workflow that was ended from outside: no workflow ends so by itself."""
CUT_OFF = f"ExecutionStatus IN {CUT_OFF_STATUSES}"
"""The query for such workflows; one may run again by now."""
