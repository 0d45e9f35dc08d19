from .cost_fit import Told as Told
from .fit_of_run import fit_run as fit_run
from .foretelling import foretell as foretell
from .twin_file import Twin as Twin
from .twin_file import load_twin as load_twin
from .twin_file import write_twin as write_twin
from .twin_words import fit_lines as fit_lines
from .twin_words import foretold_lines as foretold_lines
