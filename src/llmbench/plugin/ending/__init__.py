"""What happens to a run once its load has ended: verdict, baseline, report, summary."""
