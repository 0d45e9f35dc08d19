"""Results and requests as tables and as the CSV and Parquet files of a run."""
