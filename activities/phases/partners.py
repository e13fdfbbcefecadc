"""The partners that an order's phases call, and which of them are slow."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import NothingAsked, PreparedCall, Record
from activities.gateways.carriers import Carriers
from activities.gateways.failures import log_failure
from activities.gateways.payments import Payments
from activities.gateways.smtp import Mailer
from activities.mail.drafts import Draft
from activities.mail.steps import mail_call
from models.errors import PartnerUnavailable, PipelineError, Refused, Unavailable
from models.messages.attention import Attention
from models.messages.steps import CallOutcome

ANSWER_WITHIN_S = 1.0
"""How long a phase waits for the partners' answers, in seconds; the workflow waits with it."""
SLOW_FOR_S = 30.0
"""How long a partner counts as slow after an answer that did not come in time."""


@dataclass
class Partners:
    """The partners of one worker process."""

    payments: Payments
    carriers: Carriers
    mailer: Mailer
    mail_from: str
    _slow_until: dict[str, float] = field(default_factory=dict)

    async def call_all(self, calls: Sequence[PreparedCall]) -> list["Answer"]:
        """Make calls at the same time, each for at most `ANSWER_WITHIN_S`.

        A partner that was slow lately is not called: an ordinary activity does that, for which no
        workflow task waits.
        """
        return list(await asyncio.gather(*(self._call(call) for call in calls)))

    async def _call(self, call: PreparedCall) -> "Answer":
        if self._slow_until.get(call.partner, 0.0) > monotonic():
            return Answer(CallOutcome(step=call.step))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return Answer(CallOutcome(step=call.step, is_done=True), await call.send())
        except Refused as refusal:
            log_failure(refusal, call.step)
            attention = Attention(code=refusal.code, message=refusal.message)
            return Answer(CallOutcome(step=call.step, refusal=attention), call.refuse)
        except NothingAsked as error:
            self._note_slow(call, error)
            return Answer(CallOutcome(step=call.step), call.forget)
        except (Unavailable, TimeoutError) as error:
            self._note_slow(call, error)
            return Answer(CallOutcome(step=call.step))

    def _note_slow(self, call: PreparedCall, error: Exception) -> None:
        if not isinstance(error, PipelineError):
            error = PartnerUnavailable("no answer in time; left to an ordinary activity")
        log_failure(error, call.step)
        self._slow_until[call.partner] = monotonic() + SLOW_FOR_S


class Answer(NamedTuple):
    """The outcome of a call, and what records it."""

    outcome: CallOutcome
    record: Record | None = None


def prepare_mail(work: UnitOfWork, draft: Draft, partners: Partners, step: str) -> PreparedCall:
    """Prepare the sending of a drafted mail, as `step` would send it."""
    return mail_call(draft, partners.mailer, partners.mail_from, work.rules.documents, step)
