"""Two processes, a real network: the large model served, the device streaming to it.

The device sends what it hears, the remote sends a hint for each chunk, and the device uses at each
step the newest hint that has arrived by then. When each one arrived is recorded: the record is a
trace (:mod:`kbbench.channel.recording`), whose replay offline gives the same bits.
"""
