"""One rollout on Trio: wait until a call is due, put it on the wire, hand the reply back."""

from collections.abc import Callable

import trio

from simulator.model import Outcome, Reply, Transcript
from simulator.plan.call import Call, Interrupted, Send
from simulator.plan.rollout import Calls, Rollout
from simulator.timers import Timers
from simulator.transport.base import Transport

Outcomes = dict[int, Outcome]
"""The outcomes of a turn's calls so far, by their position."""


class Driver:
    """What all rollouts of a run are driven with."""

    def __init__(self, transport: Transport, timers: Timers) -> None:
        self._transport, self._timers = transport, timers

    async def drive(self, rollout: Rollout, ended: Callable[[Transcript], None]) -> None:
        """Play a rollout to its end and report its transcript, also when cancelled on the way."""
        outcomes: Outcomes = {}
        try:
            action = next(rollout)
            while True:
                await self._until(action.due)
                await self._calls(action, outcomes)
                action = rollout.send(_in_order(outcomes))
                outcomes.clear()
        except StopIteration as stop:
            ended(stop.value)
        except (trio.Cancelled, BaseExceptionGroup):  # the nursery of a turn wraps its cancellation
            try:
                rollout.throw(Interrupted(trio.current_time(), _in_order(outcomes)))
            except StopIteration as stop:
                ended(stop.value)
            raise

    async def _until(self, when: float) -> None:
        if when > trio.current_time():
            await self._timers.sleep_until(when)

    async def _calls(self, action: Calls, outcomes: Outcomes) -> None:
        waiting = iter(enumerate(action.calls))

        async def work() -> None:
            due = action.due
            for position, start in waiting:
                outcome = await self._call(start(due), position, outcomes)
                due = outcome.done

        if len(action.calls) <= 1:
            await work()
            return
        async with trio.open_nursery() as nursery:
            for _ in range(min(len(action.calls), action.at_once)):
                nursery.start_soon(work)

    async def _call(self, call: Call, position: int, outcomes: Outcomes) -> Outcome:
        reply: Reply | None = None
        try:
            while True:
                step = call.send(reply)
                if isinstance(step, Send):
                    await self._until(step.due)
                    reply = await self._transport.exchange(step.endpoint, step.body)
                else:
                    await self._until(step.until)
                    reply = None
        except StopIteration as stop:
            outcomes[position] = stop.value
        except trio.Cancelled:
            try:
                call.throw(Interrupted(trio.current_time()))
            except StopIteration as stop:
                outcomes[position] = stop.value
            except Interrupted:
                pass  # its request was not out yet
            raise
        return outcomes[position]


def _in_order(outcomes: Outcomes) -> tuple[Outcome, ...]:
    return tuple(outcomes[position] for position in sorted(outcomes))
