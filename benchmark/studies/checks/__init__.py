"""The checks of metric values: small cells trained again, committed tables made again, one run repeated."""
