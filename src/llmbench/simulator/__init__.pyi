from .dialects.engine_pages import LIKENESSES as LIKENESSES
from .encoding import SERVER as SERVER
from .faults import HEADER as HEADER
from .faults import FaultPlan as FaultPlan
from .server import serve as serve
from .simulator_settings import SimulatorSettings as SimulatorSettings
