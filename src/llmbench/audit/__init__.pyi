from .auditing import Audit as Audit
from .auditing import audit as audit
from .packing import pack as pack
from .run_manifest import reseal as reseal
from .run_manifest import seal as seal
