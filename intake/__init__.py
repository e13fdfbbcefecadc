"""Application service shared by API and CLI: it starts and signals workflows.

It decides nothing about stock or money.
"""

from intake.bulk import BulkIntake
from intake.explanations import ExplanationIntake
from intake.facts import FactIntake
from intake.imports import ImportIntake
from intake.nightly import NightlyIntake
from intake.replenishment import ReplenishmentIntake
from intake.subscriptions import SubscriptionIntake


class Intake(
    ImportIntake,
    FactIntake,
    BulkIntake,
    ReplenishmentIntake,
    NightlyIntake,
    ExplanationIntake,
    SubscriptionIntake,
):
    """Accept orders, imports, facts and commands; safe to share between requests."""
