"""Turns results and requests into tables, and into the CSV and Parquet files of a run."""
