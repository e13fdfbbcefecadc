"""The attention board: the open attentions of one workflow."""

from collections.abc import Awaitable, Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from models.messages.attention import Attention, OpenAttention
    from models.messages.policy import Policy
    from models.messages.requests import CommandOutcome


class AttentionBoard:
    """The open attentions of one workflow, each under a key. The oldest is shown.

    A retry applies to all of them. `policy` is the one that the workflow's steps run by; until it
    is read from the tables, its defaults suffice for the first steps.
    """

    def __init__(self, show: Callable[[Attention | None], Awaitable[None]]) -> None:
        self._show = show
        self._open: dict[str, OpenAttention] = {}
        self.retries = 0
        self.trying: list[str] = []
        """Summaries of the steps that run as ordinary activities, which may have failed."""
        self.policy = Policy(payment_deadline=0, partner_timeout=10, attention_after_attempts=5)

    @property
    def attention(self) -> Attention | None:
        """The attention that is shown."""
        return next((each.attention for each in self._open.values()), None)

    @property
    def attentions(self) -> tuple[OpenAttention, ...]:
        """All open attentions, the oldest first."""
        return tuple(self._open.values())

    async def raise_attention(self, key: str, attention: Attention) -> None:
        """Open an attention, or replace the one under the same key."""
        await self._change(key, attention)

    async def clear_attention(self, key: str) -> None:
        """Close an attention if it is open."""
        if key in self._open:
            await self._change(key, None)

    async def clear_all(self) -> None:
        """Close every attention."""
        for key in list(self._open):
            await self.clear_attention(key)

    def retry(self) -> CommandOutcome:
        """Try again every step that waits for an operator, or for its next attempt."""
        waits = [self.attention.code] if self.attention else self.trying
        if not waits:
            return CommandOutcome(accepted=False, message="nothing waits for a retry")
        self.retries += 1
        return CommandOutcome(accepted=True, message=f"trying again: {', '.join(waits)}")

    async def _change(self, key: str, attention: Attention | None) -> None:
        before = self.attention
        if attention is None:
            del self._open[key]
        else:
            known = self._open.get(key)
            since = known.since if known else workflow.now()
            self._open[key] = OpenAttention(attention=attention, since=since)
        if self.attention != before:
            await self._show(self.attention)
