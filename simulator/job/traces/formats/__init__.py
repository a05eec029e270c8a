"""The formats of recorded rollouts that are known, each in a file of its own.

The order matters where a value could be taken for two: the more particular format goes first.
"""

from simulator.job.traces.format import Format
from simulator.job.traces.formats.atif import ATIF
from simulator.job.traces.formats.buildhour import BUILD_HOUR
from simulator.job.traces.formats.chat import CHAT
from simulator.job.traces.formats.otlp import OTLP
from simulator.job.traces.formats.own import OWN
from simulator.job.traces.formats.platform import EVALUATION, TRAINING
from simulator.job.traces.formats.responses import RESPONSES
from simulator.job.traces.formats.tau2 import TAU2

FORMATS: tuple[Format, ...] = (OWN, TRAINING, EVALUATION, BUILD_HOUR, OTLP, ATIF, TAU2, RESPONSES, CHAT)
