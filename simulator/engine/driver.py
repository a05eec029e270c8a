"""One rollout on Trio: wait until a call is due, put it on the wire, hand the reply back."""

from collections.abc import Callable

import trio

from simulator.model import Outcome, Reply, Transcript
from simulator.plan.call import Call, Send
from simulator.plan.policy import Seen
from simulator.plan.rollout import Interrupted, Rollout
from simulator.timers import Timers
from simulator.transport.base import Transport


class Driver:
    """What all rollouts of a run are driven with; `parallel_calls` is the most calls of a turn at once."""

    def __init__(self, transport: Transport, timers: Timers, parallel_calls: int) -> None:
        self._transport, self._timers, self._parallel_calls = transport, timers, parallel_calls

    async def drive(self, rollout: Rollout, ended: Callable[[Transcript], None]) -> None:
        """Play a rollout to its end and report its transcript, also when cancelled on the way."""
        try:
            action = next(rollout)
            while True:
                await self._until(action.due)
                action = rollout.send(await self._calls(action.calls))
        except StopIteration as stop:
            ended(stop.value)
        except (trio.Cancelled, BaseExceptionGroup):  # the nursery of a turn wraps its cancellation
            try:
                rollout.throw(Interrupted(trio.current_time()))
            except StopIteration as stop:
                ended(stop.value)
            raise

    async def _until(self, when: float) -> None:
        if when > trio.current_time():
            await self._timers.sleep_until(when)

    async def _calls(self, calls: tuple[Call, ...]) -> Seen:
        if len(calls) == 1:
            return (await self._call(calls[0]),)
        outcomes: dict[int, Outcome] = {}
        places = trio.Semaphore(self._parallel_calls)

        async def run(position: int, call: Call) -> None:
            async with places:
                outcomes[position] = await self._call(call)

        async with trio.open_nursery() as nursery:
            for position, call in enumerate(calls):
                nursery.start_soon(run, position, call)
        return tuple(outcomes[position] for position in range(len(calls)))

    async def _call(self, call: Call) -> Outcome:
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
            outcome: Outcome = stop.value
            return outcome
