"""Schedulers: where each op runs, and in what order. One module a policy."""
