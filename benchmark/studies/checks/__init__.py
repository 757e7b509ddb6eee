"""Checks of metric values: retrain small cells, rebuild the committed tables, repeat one recorded run."""
