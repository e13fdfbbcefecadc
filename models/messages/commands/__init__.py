"""Commands of operators, by domain: each declares its fields, its command line and its routes.

The package exports all of them, so that a new command is declared in one module only.
"""
# ruff: noqa: F403

from models.messages.commands.base import *
from models.messages.commands.billing import *
from models.messages.commands.interface import *
from models.messages.commands.ledger import *
from models.messages.commands.orders import *
from models.messages.commands.purchasing import *
from models.messages.commands.registry import *
from models.messages.commands.results import *
from models.messages.commands.returns import *
from models.messages.commands.shipping import *
from models.messages.commands.stock import *
