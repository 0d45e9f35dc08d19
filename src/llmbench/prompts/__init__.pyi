from .corpus.sources import parse_source as parse_source
from .library import Library as Library
from .stock import build as build
from .stock import ensure as ensure
