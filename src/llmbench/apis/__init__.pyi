from .framing import frames as frames
from .protocol import Ask as Ask
from .protocol import Dialect as Dialect
from .protocol import Event as Event
from .registry import NAMES as NAMES
from .registry import dialect as dialect
