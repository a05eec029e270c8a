"""The formats of recorded rollouts that are known, each in a file of its own.

The order matters where a value could be taken for two: the more particular format goes first.
"""

from simulator.job.traces.format import Format
from simulator.job.traces.formats.buildhour import BUILD_HOUR
from simulator.job.traces.formats.chat import CHAT
from simulator.job.traces.formats.own import OWN
from simulator.job.traces.formats.platform import EVALUATION, TRAINING
from simulator.job.traces.formats.responses import RESPONSES

FORMATS: tuple[Format, ...] = (OWN, TRAINING, EVALUATION, BUILD_HOUR, RESPONSES, CHAT)
