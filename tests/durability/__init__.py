"""Nothing lost, nothing doubled: proven by killing, storming and soaking the real house."""
