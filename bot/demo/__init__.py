"""Hold the data of the demo shop, Xiaoer Goods; read it through ``importlib.resources``."""
