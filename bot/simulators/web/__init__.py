"""Visitors of a simulated web page with the shop's chat widget: they speak the widget's own HTTP."""
