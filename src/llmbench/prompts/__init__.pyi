from .corpus.sources import parse_source as parse_source
from .library import Library as Library
from .stock import build as build
from .stock import ensure as ensure
from .tokens.counted_elsewhere import COMMON_WORDS as COMMON_WORDS
from .tokens.counted_elsewhere import CountedElsewhere as CountedElsewhere
from .tokens.obtaining import obtainable as obtainable
from .tokens.tokenizer import Tokenizer as Tokenizer
