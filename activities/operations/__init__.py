"""Operations: commands, notifications between workflows, and reconciliation."""
