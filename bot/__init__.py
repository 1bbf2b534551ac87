"""How Xiaoer talks and decides: the domain, the engine, the desk, the channels and the console."""
