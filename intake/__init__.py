"""Application service shared by API and CLI: it starts and signals workflows.

It decides nothing about stock or money.
"""

from intake.commands import CommandIntake
from intake.facts import FactIntake
from intake.nightly import NightlyIntake
from intake.orders import OrderIntake
from intake.replenishment import ReplenishmentIntake


class Intake(OrderIntake, FactIntake, CommandIntake, ReplenishmentIntake, NightlyIntake):
    """Accept orders, facts and commands; safe to share between requests."""
