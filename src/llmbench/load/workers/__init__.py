"""Workers, which each carry a share of a load: processes here or on a Dask cluster."""
