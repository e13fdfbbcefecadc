"""Messages between API, CLI, workflows, steps and partners."""
