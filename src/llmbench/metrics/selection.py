"""Takes rows of a table of requests, without a copy where all of them are taken."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def select(requests: pd.DataFrame, which: "pd.Series[bool] | NDArray[np.bool_]") -> pd.DataFrame:
    """The requests of which `which` holds; the table itself where it holds of all.

    A table has some 80 columns, each of which is copied by itself, and most often every request
    succeeded. So nobody may write into what comes back.
    """
    return requests if bool(which.all()) else requests[which]
