"""The reference trading system: price feed, training, prediction API and a trading client.

It is a small but working stand-in for a real stack. Each process is configured by environment
variables only (see ``stack.settings``), so the same code runs as local processes and in
containers, and nothing in here knows who checks it.
"""
