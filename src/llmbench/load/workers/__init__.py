"""One share of a load, and many: processes here or a Dask cluster, and who directs them."""
