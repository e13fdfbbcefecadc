"""Application service shared by API and CLI: it starts and signals workflows.

It decides nothing about stock or money.
"""

from intake.commands import CommandIntake
from intake.facts import FactIntake
from intake.imports import ImportIntake
from intake.nightly import NightlyIntake
from intake.replenishment import ReplenishmentIntake


class Intake(ImportIntake, FactIntake, CommandIntake, ReplenishmentIntake, NightlyIntake):
    """Accept orders, imports, facts and commands; safe to share between requests."""
